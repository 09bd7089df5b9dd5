"""The waiting room: the first values of each segment, until there are enough to choose its scale by."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drift.conformal.grouping import Groups
from drift.room import with_room

FIRST = 20
"""How many values of a segment choose its scale; they are not ranked."""


class Complete(NamedTuple):
    """A row that leaves: its values (nan: none), its verdicts (-1: none), and the place in the batch of the last of them."""

    row: int
    last: int
    values: NDArray[np.float64]
    verdicts: NDArray[np.int8]


class WaitingRoom:
    """Seats of `FIRST` observations, without a gap: the last takes the seat of one that leaves. Given back as they become
    free, for some segments wait for ever and most do not."""

    def __init__(self) -> None:
        self._empty()

    def _empty(self) -> None:
        self._seat = np.full(16, -1, dtype=np.int32)  # by row
        self._count = 0
        self._row = np.zeros(16, dtype=np.int32)  # by seat, as all that follow
        self._values = np.zeros((16, FIRST))
        self._verdicts = np.zeros((16, FIRST), dtype=np.int8)
        self._filled = np.zeros(16, dtype=np.int8)

    def feed(
        self, rows: NDArray[np.int64], values: NDArray[np.float64], verdicts: NDArray[np.int8]
    ) -> tuple[NDArray[np.bool_], list[Complete]]:
        """Observations of waiting rows, in order. Which of them came after their row was complete, and the rows that are."""
        groups = Groups(rows)
        self._sit(groups.keys)
        seats = self._seat[groups.keys]
        place = self._filled[seats][groups.of] + groups.rank
        taken = np.flatnonzero(place < FIRST)
        at, seat = groups.order[taken], seats[groups.of[taken]]
        self._values[seat, place[taken]] = values[at]
        self._verdicts[seat, place[taken]] = verdicts[at]
        self._filled[seats] = np.minimum(self._filled[seats] + groups.lengths, FIRST)
        found = []
        for last in np.flatnonzero(place == FIRST - 1).tolist():
            row = int(groups.keys[groups.of[last]])
            found.append(Complete(row, int(groups.order[last]), *self.leave(row)))
        ready = np.zeros(len(rows), dtype=np.bool_)
        ready[groups.order] = place >= FIRST
        return ready, found

    def of(self, row: int) -> tuple[NDArray[np.float64], NDArray[np.int8]] | None:
        """What a row has so far; None if it does not wait."""
        seat = self._seat[row] if row < len(self._seat) else -1
        if seat < 0:
            return None
        count = self._filled[seat]
        return self._values[seat, :count].copy(), self._verdicts[seat, :count].copy()

    def put(self, row: int, values: NDArray[np.float64], verdicts: NDArray[np.int8]) -> None:
        """Seat a row that has waited before."""
        self._sit(np.array([row]))
        seat = self._seat[row]
        self._values[seat, : len(values)], self._verdicts[seat, : len(values)] = values, verdicts
        self._filled[seat] = len(values)

    def leave(self, row: int) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
        """Free the seat of a row; what it had."""
        had = self.of(row)
        if had is None:
            return np.empty(0), np.empty(0, dtype=np.int8)
        self._count -= 1
        seat, last = self._seat[row], self._count
        for column in (self._row, self._values, self._verdicts, self._filled):
            column[seat] = column[last]
        self._seat[self._row[seat]] = seat
        self._seat[row] = -1
        if not self._count:
            self._empty()
        elif 16 <= self._count < len(self._row) // 4:
            self._resize(len(self._row) // 2)
        return had

    def _sit(self, rows: NDArray[np.int64]) -> None:
        """Seat those rows that have no seat yet."""
        self._seat = with_room(self._seat, int(rows.max()) + 1, -1)
        new = rows[self._seat[rows] < 0]
        first, self._count = self._count, self._count + len(new)
        if self._count > len(self._row):
            self._resize(max(self._count, len(self._row) + len(self._row) // 4))
        self._seat[new] = np.arange(first, self._count)
        self._row[first : self._count] = new
        self._filled[first : self._count] = 0

    def _resize(self, seats: int) -> None:
        kept = min(seats, len(self._row))
        for name in ("_row", "_values", "_verdicts", "_filled"):
            column = getattr(self, name)
            resized = np.zeros((seats, *column.shape[1:]), dtype=column.dtype)
            resized[:kept] = column[:kept]
            setattr(self, name, resized)
