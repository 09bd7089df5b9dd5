"""Sections of a process in production: `http`, `worker`, `overload`."""

from __future__ import annotations

from pydantic import Field

from .base import Section


class HttpSettings(Section):
    """`/healthz`, `/readyz` and `/metrics` (Prometheus) of each worker. Beyond loopback EVALSTREAM_HTTP_TOKEN must be
    set, and `/metrics` wants it as bearer token."""

    host: str = Field("127.0.0.1", description="Address to listen on. Environment: EVALSTREAM_HTTP_HOST.")
    port: int | None = Field(
        9470,
        ge=0,
        le=65532,
        description="First of four: `assemble` listens here, `evaluate`, `judge` and `monitor` on the ports behind it. "
        "Where one is taken, any free one is used and logged. 0: any free ones; null: do not listen. Environment: EVALSTREAM_HTTP_PORT.",
    )


class WorkerSettings(Section):
    """How a worker ends."""

    drain_s: float = Field(
        20.0, gt=0, description="On SIGTERM, time to finish and commit what is in hand; the rest is read again."
    )


class OverloadSettings(Section):
    """What is left out while a worker is behind, and in which order. Nothing is that is not named in `shed`.

    A worker (`evaluate`, and `judge` for its evaluators) that is behind halves the share of its sampled traces that the
    first evaluator looks at, again and again down to `min_share`, then that of the next one. Which traces is decided by
    hash, as in sampling; the others are recorded as `skipped: overload`. Averages are weighted by the probability that is
    recorded with each decision.
    """

    shed: tuple[str, ...] = Field((), description="Names of evaluators, first the one that is shed first.")
    max_lag_s: float = Field(60.0, gt=0, description="Shed while records have waited longer before they are taken up.")
    max_lag_records: int | None = Field(None, ge=1, description="Shed also while more records than this wait.")
    recover_below: float = Field(
        0.5, gt=0, lt=1, description="Take back a step below this share of the limits; between them nothing changes."
    )
    step_s: float = Field(10.0, gt=0, description="Least time between two steps.")
    min_share: float = Field(0.05, gt=0, le=0.5, description="What an evaluator keeps of its sampled traces at least.")
