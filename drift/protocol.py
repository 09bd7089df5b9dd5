"""What a bank of detectors is: one detector for very many segments, fed in batches of columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from drift.table import SegmentTable
from schemas.drift_event import DriftKind
from schemas.state_row import StateRow

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCORED, FAILED, SKIPPED = 0, 1, 2
OUTCOMES = ("scored", "failed", "skipped")
"""Outcomes by their number in `Observations.outcome`."""
DEFAULT_PATIENCE = 1e6
"""c where no rate of false alarms was asked for."""


class Observation(NamedTuple):
    """Row `row` of `Observations`. `value` is nan and `passed` -1 where there is none; `outcome` is a place in
    `OUTCOMES`; `time` is in Unix s."""

    row: int
    segment: int
    trace_id: str
    outcome: int
    value: float
    passed: int
    time: float
    inclusion: float
    label: str | None
    vector: NDArray[np.float16] | None
    patience: float


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """A batch in columns of equal length n, in order of arrival.

    Attributes
    ----------
    segments : the table that `segment` points into. Several batches may share one table, which grows between them and
        whose entries never change: what was looked up for a number once holds for good.
    segment : int32
    value : float64; nan = none.
    passed : int8; -1 = no verdict, 0, 1.
    outcome : int8; a place in `OUTCOMES`.
    time : float64, event time in Unix s.
    inclusion : float64, the probability with which the trace was chosen to be looked at.
    traces, trace : trace ids, and the row's place among them (int32).
    labels, label : categories, and the row's place among them (int32); -1 = none.
    vectors : row → float16 vector.
    patience : float64, c: the mean number of observations to a false alarm that is asked for here, where the detector
        was given none of its own.
    """

    segments: SegmentTable
    segment: NDArray[np.int32]
    value: NDArray[np.float64]
    passed: NDArray[np.int8]
    outcome: NDArray[np.int8]
    time: NDArray[np.float64]
    inclusion: NDArray[np.float64]
    traces: Sequence[str]
    trace: NDArray[np.int32]
    labels: Sequence[str]
    label: NDArray[np.int32]
    vectors: Mapping[int, NDArray[np.float16]]
    patience: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.segment)

    def trace_id(self, index: int) -> str:
        """The trace of a row."""
        return self.traces[self.trace[index]]

    def rows(self, indices: NDArray[np.intp]) -> Iterator[Observation]:
        """Those rows one by one, for what cannot be done with whole columns."""
        columns = (self.segment, self.trace, self.outcome, self.value, self.passed, self.time, self.inclusion)
        taken = zip(
            indices.tolist(), *(c[indices].tolist() for c in (*columns, self.label, self.patience)), strict=True
        )
        traces, labels, vectors = self.traces, self.labels, self.vectors
        for index, segment, trace, outcome, value, passed, time, inclusion, label, patience in taken:
            name = labels[label] if label >= 0 else None
            vector = vectors.get(index) if vectors else None
            yield Observation(
                index, segment, traces[trace], outcome, value, passed, time, inclusion, name, vector, patience
            )


@dataclass(frozen=True, slots=True)
class Detection:
    """A change found in one segment while reading observation number `index` of the batch.

    Attributes
    ----------
    changed_at, earliest, latest : the estimated time of the change, and the interval it lies in.
    before, after : levels, in the unit of the scores; `before_interval`, `after_interval` (low, high) around them.
    observations : since the segment's epoch began, to the alarm; `observations_after`: those after the change.
    revision : 0: a change. k: the k-th time that the size of the segment's latest change is issued again, as more is
        known by now.
    subject : what moved, where that is a part of the segment: a category, a cluster of texts.
    """

    index: int
    detector: str
    kind: DriftKind = "score"
    changed_at: datetime | None = None
    earliest: datetime | None = None
    latest: datetime | None = None
    before: float | None = None
    before_interval: tuple[float, float] | None = None
    after: float | None = None
    after_interval: tuple[float, float] | None = None
    statistic: float | None = None
    threshold: float | None = None
    observations: int = 0
    observations_after: int | None = None
    revision: int = 0
    subject: str | None = None
    explanation: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


class DetectorBank(Protocol):
    """A detector over many segments.

    Deterministic: the same observations in the same order, however cut into batches and however often saved and loaded
    in between, give the same detections and, bit for bit, the same state.
    """

    kind: str
    dropped: Counter[str]
    """Observations (or state rows) that could not be used, by reason, since the bank was made."""

    def update(self, observations: Observations) -> list[Detection]:
        """Read observations in order; those it has no use for are passed over. Detections in order of `index`."""
        ...

    def dirty(self) -> list[StateRow]:
        """The rows that changed since the last call."""
        ...

    def load(self, rows: Sequence[StateRow]) -> None:
        """Take up stored state; replaces what is in memory for those segments."""
        ...


@runtime_checkable
class Sharing(Protocol):
    """A bank that can keep numbers of the caller's table instead of the names of segments."""

    def share(self, table: SegmentTable) -> None:
        """Called before anything is read or loaded; all observations are over this table from then on, and what is
        loaded and not in it is added."""
        ...


@runtime_checkable
class Evident(Protocol):
    """A bank that can show its evidence."""

    def evidence(self, key: str) -> tuple[float, float]:
        """The present value of the e-process in the segment of this key, and the c that it is held against; (0, inf) for
        a segment that it does not know."""
        ...
