"""A change that a detector found in a segment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import computed_field

from .alert import LabelChange
from .base import Published, UtcDatetime
from .cause import Cause
from .ids import plain_digest
from .measurement import Segment

DriftKind = Literal["score", "embedding", "category"]
Change = Literal["new", "recurring", "return_to_normal"]


class DriftEvent(Published):
    """A change. Levels are in the evaluator's unit.

    `changed_at` lies between `changed_earliest` and `changed_latest`; `*_low` and `*_high` bound the levels. `observations`
    counts those since the segment's epoch began, to the alarm, and `observations_after` those of them after the change.
    `epoch` is the number of the epoch that begins with the change; the first of a segment is 0. An event with a `revision`
    above 0 tells the size of the change anew, as more is known: `revises` is the id of the event that told it first.
    `subject` is what moved inside the segment: a category, a cluster of texts. `labels_changed` and `cause` are read from the
    warehouse when the event is stored.
    """

    schema_version: Literal[1] = 1
    segment: Segment
    detector: str
    kind: DriftKind = "score"
    change: Change = "new"
    detected_at: UtcDatetime
    changed_at: UtcDatetime | None = None
    changed_earliest: UtcDatetime | None = None
    changed_latest: UtcDatetime | None = None
    before: float | None = None
    before_low: float | None = None
    before_high: float | None = None
    after: float | None = None
    after_low: float | None = None
    after_high: float | None = None
    statistic: float | None = None
    threshold: float | None = None
    observations: int = 0
    observations_after: int | None = None
    epoch: int = 1
    revision: int = 0
    revises: str | None = None
    subject: str | None = None
    trace_id: str = ""
    explanation: str = ""
    labels_changed: tuple[LabelChange, ...] = ()
    cause: Cause | None = None
    details: Mapping[str, Any] = {}

    @computed_field  # type: ignore[prop-decorator]
    @property
    def event_id(self) -> str:
        what: list[Any] = [self.segment.key, self.detector, self.kind, self.trace_id, self.observations]
        return plain_digest([*what, self.revision] if self.revision else what)
