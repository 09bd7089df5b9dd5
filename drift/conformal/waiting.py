"""The waiting room: the first values of each segment, until there are enough to choose its scale by."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drift.conformal.grouping import Groups

FIRST = 20
"""How many values of a segment choose its scale; they are not ranked."""


class Complete(NamedTuple):
    """A row that leaves: its values (nan: none), its verdicts (-1: none), and the place in the batch of the last of them."""

    row: int
    last: int
    values: NDArray[np.float64]
    verdicts: NDArray[np.int8]


class WaitingRoom:
    """Seats of `FIRST` observations, given to rows as they come and free again when they leave."""

    def __init__(self) -> None:
        self._empty()

    def _empty(self) -> None:
        self._seat: dict[int, int] = {}
        self._free: list[int] = []
        self._values = np.empty((0, FIRST))
        self._verdicts = np.empty((0, FIRST), dtype=np.int8)
        self._filled = np.empty(0, dtype=np.int64)

    def feed(
        self, rows: NDArray[np.int64], values: NDArray[np.float64], verdicts: NDArray[np.int8]
    ) -> tuple[NDArray[np.bool_], list[Complete]]:
        """Observations of waiting rows, in order. Which of them came after their row was complete, and the rows that are."""
        groups = Groups(rows)
        seats = np.array([self._seated(row) for row in groups.keys.tolist()], dtype=np.int64)
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
        if not self._seat:
            self._empty()
        ready = np.zeros(len(rows), dtype=np.bool_)
        ready[groups.order] = place >= FIRST
        return ready, found

    def of(self, row: int) -> tuple[NDArray[np.float64], NDArray[np.int8]] | None:
        """What a row has so far; None if it does not wait."""
        seat = self._seat.get(row)
        if seat is None:
            return None
        count = self._filled[seat]
        return self._values[seat, :count].copy(), self._verdicts[seat, :count].copy()

    def put(self, row: int, values: NDArray[np.float64], verdicts: NDArray[np.int8]) -> None:
        """Seat a row that has waited before."""
        seat = self._seated(row)
        self._values[seat, : len(values)], self._verdicts[seat, : len(values)] = values, verdicts
        self._filled[seat] = len(values)

    def leave(self, row: int) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
        """Free the seat of a row; what it had."""
        had = self.of(row)
        seat = self._seat.pop(row, None)
        if seat is not None:
            self._free.append(seat)
        return had or (np.empty(0), np.empty(0, dtype=np.int8))

    def _seated(self, row: int) -> int:
        seat = self._seat.get(row)
        if seat is None:
            if not self._free:
                more = max(16, len(self._filled) // 4)
                self._free = list(range(len(self._filled), len(self._filled) + more))[::-1]
                self._values = np.concatenate([self._values, np.zeros((more, FIRST))])
                self._verdicts = np.concatenate([self._verdicts, np.zeros((more, FIRST), dtype=np.int8)])
                self._filled = np.concatenate([self._filled, np.zeros(more, dtype=np.int64)])
            seat = self._seat[row] = self._free.pop()
            self._filled[seat] = 0
        return seat
