"""Making `Observations`: of records as they come from the topic, and of single measurements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift.protocol import DEFAULT_PATIENCE, OUTCOMES, Observations
from drift.table import SegmentTable
from schemas.measurement import Measurement, MeasurementBatch, unpacked

_OUTCOME = {name: number for number, name in enumerate(OUTCOMES)}
_PASSED: dict[bool | None, int] = {None: -1, False: 0, True: 1}


def of_columns(parts: Iterable[tuple[MeasurementBatch, Sequence[int]]]) -> Observations:
    """The chosen rows of records of the measurements topic, in order."""
    made = _Columns()
    for batch, rows in parts:
        segment = [made.segments.add(s.key) for s in batch.segments]
        label = [made.number(made.labels, name) for name in batch.labels]
        for row in rows:
            if row in batch.vectors:
                made.vectors[len(made.segment)] = unpacked(batch.vectors[row])
            made.segment.append(segment[batch.segment[row]])
            made.trace.append(made.number(made.traces, batch.traces[batch.trace[row]]))
            made.outcome.append(_OUTCOME[batch.outcome[row]])
            made.value.append(batch.value[row])
            made.passed.append(_PASSED[batch.passed[row]])
            made.time.append(batch.time[row])
            made.inclusion.append(batch.inclusion[row])
            of = batch.label[row] if batch.label else None
            made.label.append(-1 if of is None else label[of])
    return made.built()


def of_measurements(measurements: Iterable[Measurement]) -> Observations:
    """Measurements, in order. A vector is read as float16."""
    made = _Columns()
    for m in measurements:
        if m.vector is not None:
            with np.errstate(over="ignore"):
                made.vectors[len(made.segment)] = np.asarray(m.vector, dtype=np.float16)
        made.segment.append(made.segments.add(m.segment.key))
        made.trace.append(made.number(made.traces, m.trace_id))
        made.outcome.append(_OUTCOME[m.outcome])
        made.value.append(m.value)
        made.passed.append(_PASSED[m.passed])
        made.time.append(m.event_time.timestamp())
        made.inclusion.append(m.inclusion_probability)
        made.label.append(-1 if m.label is None else made.number(made.labels, m.label))
    return made.built()


def selected(given: Observations, keep: NDArray[np.bool_]) -> Observations:
    """The rows for which `keep` is true."""
    kept = np.flatnonzero(keep)
    place = {int(row): i for i, row in enumerate(kept) if int(row) in given.vectors} if given.vectors else {}
    return Observations(
        segments=given.segments,
        segment=given.segment[kept],
        value=given.value[kept],
        passed=given.passed[kept],
        outcome=given.outcome[kept],
        time=given.time[kept],
        inclusion=given.inclusion[kept],
        traces=given.traces,
        trace=given.trace[kept],
        labels=given.labels,
        label=given.label[kept],
        vectors={place[row]: given.vectors[row] for row in place},
        patience=given.patience[kept],
    )


def joined(parts: Iterable[Observations]) -> Observations:
    """All rows of all parts, in order."""
    made = _Columns()
    for part in parts:
        for row in part.rows(np.arange(len(part))):
            if row.vector is not None:
                made.vectors[len(made.segment)] = row.vector
            made.segment.append(made.segments.add(part.segments.key(row.segment)))
            made.trace.append(made.number(made.traces, row.trace_id))
            made.outcome.append(row.outcome)
            made.value.append(row.value)
            made.passed.append(row.passed)
            made.time.append(row.time)
            made.inclusion.append(row.inclusion)
            made.label.append(-1 if row.label is None else made.number(made.labels, row.label))
    return made.built()


def between(given: Observations, since: datetime | None, until: datetime | None) -> Observations:
    """The rows from `since` and before `until`."""
    keep = np.ones(len(given), dtype=np.bool_)
    if since is not None:
        keep &= given.time >= since.timestamp()
    if until is not None:
        keep &= given.time < until.timestamp()
    return given if keep.all() else selected(given, keep)


class _Columns:
    """Columns that are being filled."""

    def __init__(self) -> None:
        self.segments = SegmentTable()
        self.traces: dict[str, int] = {}
        self.labels: dict[str, int] = {}
        self.segment: list[int] = []
        self.trace: list[int] = []
        self.outcome: list[int] = []
        self.value: list[float | None] = []
        self.passed: list[int] = []
        self.time: list[float] = []
        self.inclusion: list[float] = []
        self.label: list[int] = []
        self.vectors: dict[int, NDArray[np.float16]] = {}

    @staticmethod
    def number(table: dict[str, int], text: str) -> int:
        return table.setdefault(text, len(table))

    def built(self) -> Observations:
        def column(values: Sequence[Any], dtype: type) -> NDArray[Any]:
            return np.array(values, dtype=dtype)

        return Observations(
            segments=self.segments,
            segment=column(self.segment, np.int32),
            value=column(self.value, np.float64),  # None becomes nan
            passed=column(self.passed, np.int8),
            outcome=column(self.outcome, np.int8),
            time=column(self.time, np.float64),
            inclusion=column(self.inclusion, np.float64),
            traces=list(self.traces),
            trace=column(self.trace, np.int32),
            labels=list(self.labels),
            label=column(self.label, np.int32),
            vectors=self.vectors,
            patience=np.full(len(self.segment), DEFAULT_PATIENCE),
        )
