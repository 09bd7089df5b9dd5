"""A histogram with logarithmic bins: quantiles to 1 % of their value, of any sign, in bounded memory.

The bins of DDSketch (Masson, Rim, Lee: PVLDB 12, 2019), with fixed ends instead of collapsing. Two of them are merged
by adding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

ACCURACY = 0.01
SMALLEST, LARGEST = 1e-9, 1e12
_GAMMA = (1 + ACCURACY) / (1 - ACCURACY)
_LOG_GAMMA = math.log(_GAMMA)
_OFFSET = 2000

Bins = dict[int, float]
"""Weight by bin. 0 is zero, positive bins rise with positive values, negative ones mirror them."""


def bin_of(value: float) -> int:
    """The bin of a finite number; bins are ordered as their values are."""
    size = min(abs(value), LARGEST)
    if size < SMALLEST:
        return 0
    index = math.ceil(math.log(size) / _LOG_GAMMA) + _OFFSET
    return index if value > 0 else -index


def quantile(bins: Mapping[int, float], q: float) -> float | None:
    """The value below which a share `q` of the weight lies; None without weight."""
    total = math.fsum(bins.values())
    if total <= 0:
        return None
    reached = 0.0
    index = 0
    for index in sorted(bins):
        reached += bins[index]
        if reached >= q * total:
            break
    return _middle(index)


def add(bins: Bins, more: Mapping[int, float]) -> None:
    """Add `more` to `bins`."""
    for index, weight in more.items():
        bins[index] = bins.get(index, 0.0) + weight


def _middle(index: int) -> float:
    if index == 0:
        return 0.0
    size = 2 * math.exp((abs(index) - _OFFSET) * _LOG_GAMMA) / (_GAMMA + 1)
    return size if index > 0 else -size
