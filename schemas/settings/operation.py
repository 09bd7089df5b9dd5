"""Sections of a process in production: `http`, `worker`."""

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
