"""A change that a detector found in a segment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import computed_field

from .base import Published, UtcDatetime
from .ids import plain_digest
from .measurement import Segment


class DriftEvent(Published):
    """A change. Levels are in the evaluator's unit; `observations` counts those since the segment's epoch began."""

    schema_version: Literal[1] = 1
    segment: Segment
    detector: str
    kind: Literal["score", "embedding", "category"] = "score"
    detected_at: UtcDatetime
    changed_at: UtcDatetime | None = None
    before: float | None = None
    after: float | None = None
    statistic: float | None = None
    threshold: float | None = None
    observations: int = 0
    trace_id: str = ""
    explanation: str = ""
    details: Mapping[str, Any] = {}

    @computed_field  # type: ignore[prop-decorator]
    @property
    def event_id(self) -> str:
        return plain_digest([self.segment.key, self.detector, self.kind, self.trace_id, self.observations])
