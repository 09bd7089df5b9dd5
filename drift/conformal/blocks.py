"""Means of blocks: where observations resemble those before them, the mean of every few resembles its neighbours less."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drift.conformal.grouping import Groups
from drift.room import with_room


class Blocks:
    """Open blocks, by row.

    Parameters
    ----------
    length : observations to a block, at least 2.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self.open = np.zeros((16, length))
        self.filled = np.zeros(16, dtype=np.int64)

    def close(
        self, rows: NDArray[np.int64], values: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Fill the blocks of rows that there is room for. The observations (in order of arrival) that completed one, and its mean."""
        if len(rows) == 0:
            return np.empty(0, dtype=np.int64), np.empty(0)
        groups = Groups(rows)
        place = self.filled[groups.keys][groups.of] + groups.rank
        block = place // self.length
        number = Groups(groups.of * (int(block.max()) + 1) + block)  # blocks, in order
        filled = np.zeros((len(number.keys), self.length))
        first = number.starts
        carried = block[first] == 0
        filled[carried] = self.open[rows[groups.order][first[carried]]]
        filled[number.of, (place % self.length)] = values[groups.order]
        ends = first + number.lengths - 1
        done = place[ends] % self.length == self.length - 1
        last = groups.starts + groups.lengths - 1
        self.filled[groups.keys] = (place[last] + 1) % self.length
        self.open[groups.keys] = filled[number.of[last]]
        total = filled[:, 0].copy()
        for column in range(1, self.length):  # one after the other: the same sum however the batch was cut
            total += filled[:, column]
        where = groups.order[ends[done]]
        order = np.argsort(where)
        return where[order], (total[done] / self.length)[order]

    def reserve(self, rows: int) -> None:
        """Make room for so many rows."""
        self.open, self.filled = with_room(self.open, rows), with_room(self.filled, rows)
