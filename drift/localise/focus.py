"""FOCuS: the only moments at which a change can have begun, kept while the stream runs.

With S the cumulative sum of a segment's observations, the change that explains them best lies on a corner of the lower
convex hull of (t, S), for a rise, or of the upper one, for a fall, whatever the levels before and after (Romano,
Eckley, Fearnhead, Rigaill: Fast online changepoint detection via functional pruning CUSUM statistics, JMLR 24, 2023).
A hull of n points has about ln n corners. `CORNERS` are kept a side, of which the first is where the epoch began; what has to make
room is the flattest: the one at which a change would explain least of what lies between its neighbours.

Counts are modulo 2^32, differences are exact while an epoch sums to less than that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drift.room import put, taken

CORNERS = 11
RISE, FALL = 0, 1
HULL_FIELDS = [
    ("hull_t", np.uint32, (2, CORNERS)),
    ("hull_s", np.uint32, (2, CORNERS)),
    ("hull_at", np.uint32, (2, CORNERS)),
    ("hull_size", np.uint8, (2,)),
]
"""Of a structured array with one element for each segment: observations and their sum since the epoch began, and the time of
the last of them (Unix s), at each corner of both hulls."""
_POINT = "hull_t", "hull_s", "hull_at"
_WRAP = 2**32
_SIGN = np.array([[1.0], [-1.0]])


class Corners(NamedTuple):
    """One hull, oldest corner first. int64 each."""

    t: NDArray[np.int64]
    s: NDArray[np.int64]
    at: NDArray[np.int64]


def begin(store: NDArray[np.void], rows: NDArray[np.int64], at: NDArray[np.int64]) -> None:
    """New epochs: both hulls are the one point (0, 0) at these times."""
    for field in _POINT:
        store[field][rows] = 0
    store["hull_at"][rows, :, 0] = at[:, None]
    store["hull_size"][rows] = 1


def push(
    store: NDArray[np.void],
    rows: NDArray[np.int64],
    t: NDArray[np.int64],
    s: NDArray[np.int64],
    at: NDArray[np.int64],
) -> None:
    """Add one point to the hulls of each of `rows` (distinct): t observations that sum to s, the last of them at `at`."""
    own, every = taken(store, rows), np.arange(len(rows))
    dt = (t[:, None, None].astype(np.uint32) - own["hull_t"]).astype(np.float64)
    ds = (s[:, None, None].astype(np.uint32) - own["hull_s"]).astype(np.float64)
    # the tangent from the new point touches the hull where the slope is steepest; corners after that are inside
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = ds / dt * _SIGN
    slope[np.arange(CORNERS) >= own["hull_size"][:, :, None]] = -np.inf
    place = slope.argmax(axis=2) + 1
    which, of = np.nonzero(place == CORNERS)
    if len(which):
        _drop_flattest(own, which, of, t[which], s[which])
        place[which, of] -= 1
    point = [column.astype(np.uint32) for column in (t, s, at)]
    for side in (RISE, FALL):
        for field, column in zip(_POINT, point, strict=True):
            own[field][every, side, place[:, side]] = column
    own["hull_size"] = place + 1
    put(store, rows, own)


def push_one_by_one(element: np.void, points: Iterable[tuple[int, int, int]]) -> None:
    """Add points (t, s, at) to the hulls of one segment: the same to the last bit as `push` of each."""
    hulls = [[element[field][side, : element["hull_size"][side]].tolist() for field in _POINT] for side in (0, 1)]
    for t, s, at in points:
        for sign, (ts, sums, ats) in zip((1, -1), hulls, strict=True):
            steepest, place = -math.inf, 0
            for i in range(len(ts)):
                slope = ((s - sums[i]) % _WRAP) * sign / ((t - ts[i]) % _WRAP)
                if slope > steepest:
                    steepest, place = slope, i
            for values, value in ((ts, t), (sums, s), (ats, at)):
                values[place + 1 :] = (value,)
            if place + 1 == CORNERS:
                flattest = min(range(1, CORNERS), key=lambda i: _bend(ts, sums, i))
                for values in (ts, sums, ats):
                    del values[flattest]
    for side, hull in enumerate(hulls):
        for field, values in zip(_POINT, hull, strict=True):
            element[field][side, : len(values)] = values
        element["hull_size"][side] = len(hull[0])


def _drop_flattest(
    store: NDArray[np.void],
    rows: NDArray[np.int64],
    side: NDArray[np.int64],
    t: NDArray[np.int64],
    s: NDArray[np.int64],
) -> None:
    """Make room in full hulls for a point (t, s) that will be their last."""
    lengths, rises = (
        np.diff(np.column_stack([store[field][rows, side], end.astype(np.uint32)]), axis=1).astype(np.float64)
        for field, end in (("hull_t", t), ("hull_s", s))
    )
    before, after = lengths[:, :-1], lengths[:, 1:]
    turn = rises[:, :-1] / before - rises[:, 1:] / after
    flattest = (turn * turn * (before * after / (before + after))).argmin(axis=1) + 1
    later = np.arange(CORNERS - 1) >= flattest[:, None]
    for field in _POINT:
        values = store[field][rows, side]
        values[:, :-1] = np.where(later, values[:, 1:], values[:, :-1])
        store[field][rows, side] = values


def _bend(ts: list[int], sums: list[int], i: int) -> float:
    """How much a change of level at a corner explains, of what lies between its neighbours."""
    before, after = float((ts[i] - ts[i - 1]) % _WRAP), float((ts[i + 1] - ts[i]) % _WRAP)
    turn = (sums[i] - sums[i - 1]) % _WRAP / before - (sums[i + 1] - sums[i]) % _WRAP / after
    return turn * turn * (before * after / (before + after))


def corners(element: np.void, side: int) -> Corners:
    """The hull of one segment."""
    size = int(element["hull_size"][side])
    return Corners(*(element[field][side, :size].astype(np.int64) for field in _POINT))


def tidy(elements: NDArray[np.void]) -> None:
    """Clear what popped corners left behind, so that equal hulls are equal bytes."""
    gone = np.arange(CORNERS) >= elements["hull_size"][:, :, None]
    for field in _POINT:
        elements[field][gone] = 0


def begin_at(store: NDArray[np.void], row: int, t: int, s: int, at: int) -> None:
    """A new epoch that began in the middle of the old one: what both hulls know of later moments is kept."""
    for side in (RISE, FALL):
        old = corners(store[row], side)
        later = old.t > t
        kept = [np.append(first, values[later] - base) for first, base, values in
                ((0, t, old.t), (0, s, old.s), (at, 0, old.at))]  # fmt: skip
        for field, values in zip(_POINT, kept, strict=True):
            store[field][row, side] = 0
            store[field][row, side, : len(values)] = values.astype(np.uint32)
        store["hull_size"][row, side] = len(kept[0])
