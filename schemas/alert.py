"""A change of state of an alert rule in one segment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import computed_field

from .base import Published, Record, UtcDatetime
from .ids import plain_digest
from .measurement import Segment

AlertState = Literal["OK", "WARNING", "CRITICAL", "NO_DATA", "STALE"]


class WorstTrace(Record):
    """A trace that pulled the statistic, for a person to open."""

    trace_id: str
    span_id: str | None = None
    value: float | None = None
    explanation: str = ""


class LabelChange(Record):
    """A label (model returned, prompt version, deployment) whose most frequent value differs from before."""

    label: str
    before: str | None
    after: str | None


class Alert(Published):
    """A notification. `dedup_key` is equal for all alerts of one rule and segment, `sequence` counts them."""

    schema_version: Literal[1] = 1
    rule: str
    segment: Segment
    state: AlertState
    previous_state: AlertState
    sequence: int
    reason: Literal["changed", "renotify", "recovered"] = "changed"
    statistic: str
    value: float | None = None
    threshold: float | None = None
    samples: int = 0
    window_start: UtcDatetime | None = None
    window_end: UtcDatetime | None = None
    fired_at: UtcDatetime
    summary: str = ""
    labels_changed: tuple[LabelChange, ...] = ()
    worst: tuple[WorstTrace, ...] = ()
    notify: bool = True
    attributes: Mapping[str, Any] = {}

    @computed_field  # type: ignore[prop-decorator]
    @property
    def dedup_key(self) -> str:
        return plain_digest([self.rule, self.segment.key])

    @computed_field  # type: ignore[prop-decorator]
    @property
    def alert_id(self) -> str:
        return plain_digest([self.rule, self.segment.key, self.sequence])
