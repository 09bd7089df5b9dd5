"""`monitor`, `alerts`, `notify`: what is watched, when somebody is told, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, SecretStr, model_validator

from .base import Section

Statistic = Literal["mean", "pass_rate", "quantile", "count", "coverage"]


class DetectorSettings(Section):
    """One detector over every segment of the evaluators it names."""

    type: str = Field(
        "conformal",
        description="conformal, contract, adwin, page_hinkley (scores), categories (labels), embedding (embeddings).",
    )
    name: str | None = Field(
        None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$", description="Unique; default: the type."
    )
    evaluators: tuple[str, ...] | None = Field(None, description="Default: all that the detector can read.")
    options: Mapping[str, Any] = {}


class MonitorSettings(Section):
    """How scores are grouped and watched."""

    dimensions: tuple[str, ...] = Field(
        (),
        description="Each also makes segments of its own: tool, model, prompt_name, agent, user_id, or a resource attribute.",
    )
    crosses: tuple[tuple[str, ...], ...] = Field(
        (), description="Combinations of dimensions that make segments together."
    )
    max_segments: int = Field(10_000, ge=1, description="Further dimension values are counted as `other`.")
    false_alarms_per_day: float = Field(
        0.1,
        gt=0,
        description="Of all detectors and segments together, for detectors without a `patience` of their own; the patience follows from the traffic.",
    )
    destinations: tuple[str, ...] = Field(
        (), description="Names under `notify` that drift events go to, besides the topic `drift` and the warehouse."
    )
    traffic_labels: tuple[str, ...] = Field(
        (),
        description="Evaluators whose label tells what kind of request a trace is; other shares of them explain a change as one of traffic.",
    )
    max_profiles: int = Field(
        10_000, ge=1, description="Learned profiles; beyond it the one that was not seen for the longest is forgotten."
    )
    typical_texts: int = Field(
        3,
        ge=0,
        le=5,
        description="Excerpts, as stored after redaction, that tell what a change of embeddings is about; 0: only trace ids.",
    )
    allowed_lateness_s: float = Field(
        60.0, ge=0, description="A window closes this long after the watermark passed it."
    )
    max_alert_age_s: float = Field(
        3600.0, gt=0, description="A notification for an older window is recorded and not sent."
    )
    stale_after_s: float = Field(
        300.0, gt=0, description="Alerts are STALE when the monitor has been behind its input for so long."
    )
    detectors: tuple[DetectorSettings, ...] = (DetectorSettings(type="conformal"), DetectorSettings(type="embedding"))


class AlertRule(Section):
    """When a statistic of an evaluator's scores crosses a threshold."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")
    evaluator: str
    dimension: str | None = Field(
        None, description="Watch each value of this dimension (`tool`), or cross (`tool+model`); default: all together."
    )
    statistic: Statistic = "pass_rate"
    quantile: float = Field(0.95, gt=0, lt=1, description="For `statistic: quantile`.")
    window_s: float | None = Field(None, gt=0, description="Window by event time. Give this or `window_count`.")
    window_count: int | None = Field(None, ge=1, le=100_000, description="Window of the last N traces.")
    below: bool = Field(True, description="True: a low value is bad. False: a high one.")
    warning: float | None = None
    critical: float | None = None
    min_samples: int = Field(20, ge=1)
    hysteresis: float = Field(0.0, ge=0, description="How far beyond the threshold the value must return to recover.")
    no_data_after_s: float | None = Field(None, gt=0, description="NO_DATA after this long without a score.")
    renotify_s: float | None = Field(None, gt=0, description="Say it again while the state lasts.")
    notify_recovery: bool = True
    mute: bool = Field(False, description="Record, but notify nobody.")
    destinations: tuple[str, ...] | None = Field(None, description="Names under `notify`; default: all.")

    @model_validator(mode="after")
    def _consistent(self) -> AlertRule:
        if (self.window_s is None) == (self.window_count is None):
            raise ValueError("give exactly one of window_s and window_count")
        if self.statistic == "count" and self.window_s is None:
            raise ValueError("statistic count needs window_s: a window of the last N traces always holds N")
        if self.warning is None and self.critical is None and self.no_data_after_s is None:
            raise ValueError("give at least one of warning, critical and no_data_after_s")
        if self.warning is not None and self.critical is not None:
            worse = self.critical <= self.warning if self.below else self.critical >= self.warning
            if not worse:
                raise ValueError(
                    f"critical ({self.critical}) must be {'below' if self.below else 'above'} warning ({self.warning})"
                )
        return self


class DestinationSettings(Section):
    """A webhook. The `alerts` topic and the warehouse receive every alert without being listed here."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")
    type: Literal["slack", "webhook"]
    url: SecretStr = Field(description="`${NAME}` is read from the environment.")
    secret: SecretStr | None = Field(None, description="Key of the HMAC-SHA256 signature header; `${NAME}` as above.")
    timeout_s: float = Field(10.0, gt=0)
    max_attempts: int = Field(12, ge=1)
    allow_private: bool = Field(False, description="Allow an address in a private or loopback network.")
