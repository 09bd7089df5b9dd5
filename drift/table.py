"""Segments by number: a list that only grows, and holds no more of a segment than its key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, overload

from schemas.measurement import Segment

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NOT_ASKED = -(2**31)


class SegmentTable(Sequence[Segment]):
    """Distinct segments, numbered in order of their addition. Entries never change, so a number once looked up stays
    good; a `Segment` object is about ten times the size of its key, and made only when it is asked for."""

    __slots__ = ("_keys", "_numbers")

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._keys: list[str] = []
        self._numbers: dict[str, int] = {}
        for key in keys:
            self.add(key)

    def key(self, number: int) -> str:
        """The key of a segment."""
        return self._keys[number]

    def keys(self, first: int = 0) -> Sequence[str]:
        """All keys, or those from a number on."""
        return self._keys[first:]

    def add(self, key: str) -> int:
        """The number of a segment, given when it has none yet."""
        number = self._numbers.setdefault(key, len(self._keys))
        if number == len(self._keys):
            self._keys.append(key)
        return number

    def number(self, key: str) -> int | None:
        """The number of a segment; None for an unknown one."""
        return self._numbers.get(key)

    def numbers(self, keys: Sequence[str]) -> NDArray[np.int32]:
        """`number` of many; -1 for unknown ones."""
        import numpy as np

        return np.fromiter(map(self._numbers.get, keys, repeat(-1)), dtype=np.int32, count=len(keys))

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, index: int) -> Segment: ...
    @overload
    def __getitem__(self, index: slice) -> list[Segment]: ...
    def __getitem__(self, index: int | slice) -> Segment | list[Segment]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        return Segment.of_key(self.key(index))


class Lookup:
    """What is known of numbers of a table, asked once for each. Answers for the last table are kept in an array: with one table for
    all batches a look-up is one index.

    Parameters
    ----------
    find : answers for numbers of a table, in order of their appearance. They are more than -2^31, and the same again if asked.
    at_once : answers for many keys that may never appear, `NOT_ASKED` where it takes `find` to give one.
    """

    def __init__(
        self,
        find: Callable[[SegmentTable, Sequence[int]], Sequence[int] | NDArray[np.int32]],
        at_once: Callable[[Sequence[str]], NDArray[np.int32]] | None = None,
    ) -> None:
        self._find, self._at_once = find, at_once
        self._table: SegmentTable | None = None
        self._read = 0
        self._found: NDArray[np.int32]

    def of(self, table: SegmentTable, numbers: NDArray[np.int32]) -> NDArray[np.int32]:
        """The answer for each of `numbers`, int32[n]."""
        import numpy as np

        from drift.room import with_room

        if table is not self._table:
            self._table, self._read, self._found = table, 0, np.empty(0, dtype=np.int32)
        if self._read < len(table):
            self._found = with_room(self._found, len(table))
            self._found[self._read : len(table)] = (
                NOT_ASKED if self._at_once is None else self._at_once(table.keys(self._read))
            )
            self._read = len(table)
        answers: NDArray[np.int32] = self._found[numbers]
        new = answers == NOT_ASKED
        if new.any():
            distinct = list(dict.fromkeys(numbers[new].tolist()))
            self._found[distinct] = self._find(table, distinct)
            answers = self._found[numbers]
        return answers
