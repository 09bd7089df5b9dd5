"""Where a value lies on its segment's scale, in thousandths: what levels are means of, and histograms are made from.

Three shapes. `unit`: [0, 1]. `log`: positive values, by their logarithm. `real`: any values. The last two reach `REACH` spreads
to both sides of the median of a segment's first values; their histogram is fine in the middle and coarse outside.

Only ranks matter to the detector, so the logarithm may be any rising function like it: the one here is straight between 16
points of an octave (off by .0007 at most). numpy's own may differ in its last bit with a value's place in the batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Shape = Literal["auto", "unit", "log", "real"]
FINE = 1000
BINS = 64
UNIT, LOG, REAL = 0, 1, 2
REACH = 16.0
LEAST_SPREAD_LOG = 0.1
"""In octaves."""
LEAST_SPREAD_REAL = 1e-6
PIECES = 16
_QUARTILES_TO_SD = 1.349
_LOG2 = np.log2(0.5 + np.arange(PIECES + 1) / (2 * PIECES))
_SLOPE = np.diff(_LOG2) * 2 * PIECES


class Scale(NamedTuple):
    """A segment's scale. `centre` and `spread` are in octaves for `log`, and mean nothing for `unit`."""

    shape: int
    centre: float
    spread: float

    def value(self, fine: float) -> float:
        """The value at a place, and so the level whose mean place it is: an arithmetic mean, for `log` about a geometric one."""
        if self.shape == UNIT:
            return fine / FINE
        at = self.centre + (2 * fine / FINE - 1) * REACH * self.spread
        return _exp2(at) if self.shape == LOG else at


def chosen_scale(values: Sequence[float], shape: Shape = "auto") -> Scale:
    """The scale for a segment that began with these values. `auto`: `unit` if all lie in [0, 1], `log` if all are positive."""
    if shape == "unit" or (shape == "auto" and all(0 <= v <= 1 for v in values)):
        return Scale(UNIT, 0.5, 1.0)
    positive = shape != "real" and all(v > 0 for v in values)
    placed = sorted(_log2(np.array(values)).tolist() if positive else values)
    quarter = len(placed) // 4
    return _about(positive, placed[quarter], placed[len(placed) // 2], placed[-1 - quarter], placed[-1])


def outgrown(scale: Scale, quartiles: Sequence[float], value: float) -> Scale:
    """The scale to go on with when too many values lie beyond the ends, as `value` does: about the quartiles of what was
    seen, in thousandths of the old scale."""
    seen = [scale.value(place) for place in quartiles]
    low, middle, high = min(seen[0], value), seen[1], max(seen[2], value)
    positive = low > 0
    quarter, half, rest = _log2(np.array([low, middle, high])).tolist() if positive else (low, middle, high)
    return _about(positive, quarter, half, rest, rest)


def places(
    shape: NDArray[np.uint8], centre: NDArray[np.float64], spread: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Each value in thousandths of its scale, int[n] from 0 to `FINE`, and whether it lies beyond the scale's ends."""
    at = values.copy()
    bent = np.flatnonzero(shape != UNIT)
    if len(bent):
        x, log = values[bent], shape[bent] == LOG
        x = np.where(log, _log2(np.where(log & (x > 0), x, np.finfo(np.float64).tiny)), x)
        at[bent] = ((x - centre[bent]) / (spread[bent] * REACH) + 1) / 2
    outside = (at < 0) | (at > 1)
    return np.rint(np.clip(at, 0, 1) * FINE).astype(np.int64), outside


def bins() -> NDArray[np.int64]:
    """The bin of each place: row 0 for `unit`, row 1 for the others. int[2, FINE + 1]"""
    z = (np.arange(FINE + 1) / FINE * 2 - 1) * REACH
    bent = np.copysign(np.log2(1 + np.abs(z)), z) / np.log2(1 + REACH)
    cut = np.stack([np.arange(FINE + 1) / FINE, (bent + 1) / 2]) * BINS
    return np.minimum(cut.astype(np.int64), BINS - 1)


def _about(positive: bool, low: float, middle: float, high: float, largest: float) -> Scale:
    spread = (high - low) / _QUARTILES_TO_SD
    if positive:
        return Scale(LOG, middle, max(spread, LEAST_SPREAD_LOG))
    return Scale(REAL, middle, max(spread, LEAST_SPREAD_REAL * max(1.0, abs(middle), abs(largest))))


def _log2(x: NDArray[np.float64]) -> NDArray[np.float64]:
    mantissa, exponent = np.frexp(x)
    piece = ((mantissa - 0.5) * 2 * PIECES).astype(np.int64)
    return exponent + _LOG2[piece] + (mantissa - (0.5 + piece / (2 * PIECES))) * _SLOPE[piece]


def _exp2(octaves: float) -> float:
    return 2.0**octaves if octaves < 1000 else math.inf
