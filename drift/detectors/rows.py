"""Which row of a bank's arrays belongs to which segment."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from drift.protocol import Observations
from drift.room import with_room
from drift.table import Lookup, SegmentTable
from schemas.measurement import Segment

NOT_READ = -1
NO_ROOM = -2


class SegmentRows:
    """Rows of segments, given in order of the first observation that is read.

    Parameters
    ----------
    evaluators : only segments of these have rows; None: all.
    max_segments : most rows; None: no limit.
    """

    def __init__(self, evaluators: Collection[str] | None = None, max_segments: int | None = None) -> None:
        self._evaluators = None if evaluators is None else frozenset(evaluators)
        self._max_segments = max_segments
        self._numbers = array("i")  # by row
        self.share(SegmentTable())

    def share(self, table: SegmentTable) -> None:
        """Keep no names, but numbers of this table; before there is a row. What it lacks is added to it."""
        self._table = table
        self._row = np.full(16, NOT_READ, dtype=np.int32)  # by number
        self._lookup = Lookup(self._found)

    def __len__(self) -> int:
        return len(self._numbers)

    def key(self, row: int) -> str:
        """The key of a row's segment."""
        return self._table.key(self._numbers[row])

    def by_key(self, rows: Iterable[int]) -> list[tuple[str, int]]:
        """Rows with their keys, in the order of the keys."""
        return sorted((self.key(row), row) for row in rows)

    def segment(self, row: int) -> Segment:
        """The segment of a row."""
        return self._table[self._numbers[row]]

    def of_key(self, key: str) -> int | None:
        """The row of a segment; None if it has none."""
        number = self._table.number(key)
        if number is None or number >= len(self._row) or self._row[number] == NOT_READ:
            return None
        return int(self._row[number])

    def add(self, key: str) -> int:
        """The row of a segment, given when it has none yet, whatever the limit."""
        row = self.of_key(key)
        if row is not None:
            return row
        number, row = self._table.add(key), len(self._numbers)
        self._row = with_room(self._row, number + 1, NOT_READ)
        self._row[number] = row
        self._numbers.append(number)
        return row

    def of(self, observations: Observations, wanted: NDArray[np.bool_]) -> NDArray[np.int32]:
        """The row of each observation, int32[n]: `NOT_READ` where `wanted` is False or the evaluator is not read,
        `NO_ROOM` beyond the limit."""
        rows = np.full(len(observations), NOT_READ, dtype=np.int32)
        rows[wanted] = self._lookup.of(observations.segments, observations.segment[wanted])
        return rows

    def _found(self, table: SegmentTable, asked: Sequence[int]) -> NDArray[np.int32]:
        # no list: its integers, between those that the table keeps, would leave 3 MB of holes for 100,000 segments
        return np.fromiter((self._row_of(table, number) for number in asked), dtype=np.int32)

    def _row_of(self, table: SegmentTable, number: int) -> int:
        key = table.key(number)
        if self._evaluators is not None and table[number].evaluator not in self._evaluators:
            return NOT_READ
        row = self.of_key(key)
        if row is not None:
            return row
        if self._max_segments is not None and len(self) >= self._max_segments:
            return NO_ROOM
        return self.add(key)
