"""Which row of a bank's arrays belongs to which segment."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from drift.protocol import Observations
from drift.table import Lookup, SegmentTable

NOT_READ = -1
NO_ROOM = -2


class SegmentRows:
    """Rows of segments, given in order of the first observation that is read.

    Parameters
    ----------
    evaluators : only segments of these have rows; None: all.
    max_segments : most rows; None: no limit.

    Attributes
    ----------
    table : the segments that have a row, by row.
    """

    def __init__(self, evaluators: Collection[str] | None = None, max_segments: int | None = None) -> None:
        self.table = SegmentTable()
        self._evaluators = None if evaluators is None else frozenset(evaluators)
        self._max_segments = max_segments
        self._lookup = Lookup(lambda table, asked: [self._row(table, one) for one in asked])

    def __len__(self) -> int:
        return len(self.table)

    def of(self, observations: Observations, wanted: NDArray[np.bool_]) -> NDArray[np.int32]:
        """The row of each observation, int32[n]: `NOT_READ` where `wanted` is False or the evaluator is not read,
        `NO_ROOM` beyond the limit."""
        rows = np.full(len(observations), NOT_READ, dtype=np.int32)
        rows[wanted] = self._lookup.of(observations.segments, observations.segment[wanted])
        return rows

    def _row(self, table: SegmentTable, number: int) -> int:
        key = table.keys[number]
        if self._evaluators is not None and table[number].evaluator not in self._evaluators:
            return NOT_READ
        row = self.table.number(key)
        if row is not None:
            return row
        if self._max_segments is not None and len(self.table) >= self._max_segments:
            return NO_ROOM
        return self.table.add(key)
