"""The segments that a monitor has seen, how many measurements each has had, and the limit to their number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from drift.observations import selected
from drift.packed import PackedTable
from drift.protocol import OUTCOMES, Observations
from drift.room import with_room
from drift.table import NOT_ASKED, Lookup, SegmentTable
from schemas.measurement import Segment, key_parts
from schemas.state_row import StateRow

SEGMENT_KIND = "segment"
_DROPPED = -1
_MOVED = 1  # lowest bit of an answer: the segment is counted as its dimension's `other`


class KnownSegments:
    """Segments by number, in `table`.

    Parameters
    ----------
    limit : beyond so many, a value of a dimension is counted as the dimension's `other`.
    most : beyond so many, what is new is dropped: even projects and evaluators have an end.
    other : the value that stands for all further ones.
    """

    def __init__(self, limit: int, most: int, other: str) -> None:
        self.table = PackedTable()
        self._limit, self._most, self._other = limit, most, other
        self._admitted = 0
        self._is_admitted = np.zeros(16, dtype=np.bool_)
        self._counts = np.zeros((16, len(OUTCOMES)), dtype=np.int64)
        self._changed = np.zeros(16, dtype=np.bool_)
        self._lookup = Lookup(self._places, self._admitted_of)

    def name(self, key: str) -> int:
        """The number of a segment that may never be seen. It counts towards the limit only once it is."""
        number = self.table.add(key)
        self._reserve()
        return number

    def place(self, given: Observations, dropped: Counter[str]) -> Observations:
        """The observations over `table`, in order; those that have no place are left out and counted."""
        answers = self._lookup.of(given.segments, given.segment)
        lost = answers == _DROPPED
        if lost.any():
            dropped["max_segments"] += int(np.count_nonzero(lost))
            given, answers = selected(given, ~lost), answers[~lost]
        moved = int(np.count_nonzero(answers & _MOVED))
        if moved:
            dropped["other_segment"] += moved
        return replace(given, segments=self.table, segment=answers >> 1)

    def count(self, placed: Observations) -> None:
        """Note that these were measured."""
        np.add.at(self._counts.reshape(-1), placed.segment * len(OUTCOMES) + placed.outcome, 1)
        self._changed[placed.segment] = True

    def dirty(self) -> list[StateRow]:
        """The rows of segments that changed since the last call."""
        changed = np.flatnonzero(self._changed)
        self._changed[:] = False
        rows = []
        for number, counts in zip(changed.tolist(), self._counts[changed].tolist(), strict=True):
            key = self.table.key(number)
            rows.append(StateRow(SEGMENT_KIND, key, orjson.dumps(_state(key, counts))))
        return rows

    def load(self, row: StateRow) -> None:
        """Take up a stored row.

        Raises
        ------
        ValueError, TypeError, KeyError : it is damaged.
        """
        stored = orjson.loads(row.state)
        Segment.model_validate(stored["segment"])
        counts = [stored["counts"][outcome] for outcome in OUTCOMES]
        number = self._admit(row.key)
        self._counts[number] = counts
        self._changed[number] = False

    def _reserve(self) -> None:
        """Make room for all of the table; detectors may have added to it what they stored."""
        for name in ("_counts", "_changed", "_is_admitted"):
            setattr(self, name, with_room(getattr(self, name), len(self.table)))

    def _admitted_of(self, keys: Sequence[str]) -> NDArray[np.int32]:
        """The places of those that have one."""
        self._reserve()
        numbers = self.table.numbers(keys)
        return np.where((numbers >= 0) & self._is_admitted[numbers], numbers << 1, NOT_ASKED)

    def _places(self, table: SegmentTable, asked: Sequence[int]) -> list[int]:
        return [self._place(table, one) for one in asked]

    def _place(self, table: SegmentTable, one: int) -> int:
        key, moved = table.key(one), 0
        if self.table.number(key) is None and self._admitted >= self._limit:
            segment = table[one]
            if segment.dimension is not None:
                key = segment.model_copy(update={"dimension_value": self._other}).key
                moved = _MOVED if segment.dimension_value != self._other else 0
        if self.table.number(key) is None and self._admitted >= self._most:
            return _DROPPED
        return self._admit(key) << 1 | moved

    def _admit(self, key: str) -> int:
        number = self.name(key)
        if not self._is_admitted[number]:
            self._is_admitted[number] = True
            self._admitted += 1
            self._changed[number] = True
        return number


def _state(key: str, counts: Sequence[int]) -> dict[str, dict[str, Any]]:
    project, environment, evaluator, dimension, value = key_parts(key)
    segment = {
        "project": project,
        "environment": environment,
        "evaluator": evaluator,
        "dimension": dimension,
        "dimension_value": value,
    }
    return {"segment": segment, "counts": dict(zip(OUTCOMES, counts, strict=True))}
