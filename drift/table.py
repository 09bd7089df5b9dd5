"""Segments by number: a list that only grows, and holds no more of a segment than its key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, overload

from schemas.measurement import Segment

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NOT_ASKED = -(2**31)


class SegmentTable(Sequence[Segment]):
    """Distinct segments, numbered in order of their addition. Entries never change, so a number once looked up stays
    good; a `Segment` object is about ten times the size of its key, and made only when it is asked for."""

    __slots__ = ("_numbers", "keys")

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self.keys: list[str] = []
        self._numbers: dict[str, int] = {}
        for key in keys:
            self.add(key)

    def add(self, key: str) -> int:
        """The number of a segment, given when it has none yet."""
        number = self._numbers.setdefault(key, len(self.keys))
        if number == len(self.keys):
            self.keys.append(key)
        return number

    def number(self, key: str) -> int | None:
        """The number of a segment; None for an unknown one."""
        return self._numbers.get(key)

    def numbers(self, keys: Iterable[str]) -> NDArray[np.int32]:
        """`number` of many; -1 for unknown ones."""
        import numpy as np

        return np.fromiter(map(self._numbers.get, keys, repeat(-1)), dtype=np.int32)

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, index: int) -> Segment: ...
    @overload
    def __getitem__(self, index: slice) -> list[Segment]: ...
    def __getitem__(self, index: int | slice) -> Segment | list[Segment]:
        if isinstance(index, slice):
            return [Segment.of_key(key) for key in self.keys[index]]
        return Segment.of_key(self.keys[index])


class Lookup:
    """What `find` says of numbers of a table: asked once for each, in order of their appearance.

    Answers for the last table are kept in an array: with one table for all batches a look-up is one index.
    """

    def __init__(self, find: Callable[[SegmentTable, Sequence[int]], Sequence[int] | NDArray[np.int32]]) -> None:
        self._find = find
        self._table: SegmentTable | None = None
        self._found: NDArray[np.int32] | None = None

    def of(self, table: SegmentTable, numbers: NDArray[np.int32]) -> NDArray[np.int32]:
        """The answer for each of `numbers`, int32[n]; `find` must give more than -2^31, and the same again if asked."""
        import numpy as np

        from drift.room import with_room

        if self._found is None or table is not self._table:
            self._table, self._found = table, np.empty(0, dtype=np.int32)
        found = self._found = with_room(self._found, len(table), _NOT_ASKED)
        answers: NDArray[np.int32] = found[numbers]
        new = answers == _NOT_ASKED
        if new.any():
            distinct = list(dict.fromkeys(numbers[new].tolist()))
            found[distinct] = self._find(table, distinct)
            answers = found[numbers]
        return answers
