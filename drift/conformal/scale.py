"""Where a value lies on its segment's scale, in thousandths: what histograms count and levels are means of.

Three shapes. `unit`: [0, 1], linear. `log`: positive values, by their logarithm. `real`: any values. The last two are
centred on the median of a segment's first values and stretched by their spread, fine in the middle and logarithmic
outwards, so that a value 30 spreads away still has a place.

Only ranks matter to the detector, so the logarithm may be any rising function like it: the one here is log2 at the powers of two
and straight in between. It needs no more than IEEE's exact operations and is the same to the last bit on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Shape = Literal["auto", "unit", "log", "real"]
FINE = 1000
UNIT, LOG, REAL = 0, 1, 2
REACH_OCTAVES = 5.0
"""The ends of `log` and `real` lie 2^5 - 1 = 31 spreads from the centre."""
LEAST_SPREAD_LOG = 0.02
LEAST_SPREAD_REAL = 1e-6
_QUARTILES_TO_SD = 1.349


class Scale(NamedTuple):
    """A segment's scale. `centre` and `spread` are in octaves for `log`, and mean nothing for `unit`."""

    shape: int
    centre: float
    spread: float

    def value(self, fine: float) -> float:
        """The value at a place, and so the level whose mean place it is: arithmetic for `unit`, about geometric for
        `log`, in between for `real`."""
        if self.shape == UNIT:
            return fine / FINE
        octaves = (2 * fine / FINE - 1) * REACH_OCTAVES
        moved = math.copysign(_exp2(abs(octaves)) - 1, octaves) * self.spread + self.centre
        return _exp2(moved) if self.shape == LOG else moved


def chosen_scale(values: Sequence[float], shape: Shape = "auto") -> Scale:
    """The scale for a segment that began with these values. `auto`: `unit` if all lie in [0, 1], `log` if all are positive."""
    if shape == "unit" or (shape == "auto" and all(0 <= v <= 1 for v in values)):
        return Scale(UNIT, 0.5, 1.0)
    positive = shape != "real" and all(v > 0 for v in values)
    placed = sorted(_log2(np.array(values)).tolist() if positive else values)
    quarter = len(placed) // 4
    centre = placed[len(placed) // 2]
    spread = (placed[-1 - quarter] - placed[quarter]) / _QUARTILES_TO_SD
    if positive:
        return Scale(LOG, centre, max(spread, LEAST_SPREAD_LOG))
    return Scale(REAL, centre, max(spread, LEAST_SPREAD_REAL * max(1.0, abs(placed[0]), abs(placed[-1]))))


def outgrown(scale: Scale, quartiles: Sequence[float], value: float) -> Scale:
    """The scale to go on with when too many values lie beyond the ends, as `value` does: about the quartiles of what was
    seen, in thousandths of the old scale."""
    low, middle, high = (scale.value(place) for place in quartiles)
    if high == low:
        high = max(high, value)
        low = min(low, value)
    if min(low, value) > 0:
        octaves = _log2(np.array([low, middle, high])).tolist()
        return Scale(LOG, octaves[1], max((octaves[2] - octaves[0]) / _QUARTILES_TO_SD, LEAST_SPREAD_LOG))
    return Scale(REAL, middle, max((high - low) / _QUARTILES_TO_SD, LEAST_SPREAD_REAL * max(1.0, abs(value))))


def places(
    shape: NDArray[np.uint8], centre: NDArray[np.float64], spread: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Each value in thousandths of its scale, int[n] from 0 to `FINE`, and whether it lies beyond the scale's ends."""
    at = values.copy()
    bent = np.flatnonzero(shape != UNIT)
    if len(bent):
        x, log = values[bent], shape[bent] == LOG
        x = np.where(log, _log2(np.where(log & (x > 0), x, np.finfo(np.float64).tiny)), x)
        z = (x - centre[bent]) / spread[bent]
        octaves = np.copysign(_log2(1 + np.minimum(np.abs(z), 1e300)), z)
        at[bent] = (octaves / REACH_OCTAVES + 1) / 2
    outside = (at < 0) | (at > 1)
    return np.rint(np.clip(at, 0, 1) * FINE).astype(np.int64), outside


def _log2(x: NDArray[np.float64]) -> NDArray[np.float64]:
    mantissa, exponent = np.frexp(x)
    return exponent + (2 * mantissa - 2)


def _exp2(octaves: float) -> float:
    whole = math.floor(octaves)
    if whole > 1000:
        return math.inf
    return math.ldexp((octaves - whole + 1) / 2, whole + 1)
