"""Quantiles of a positive quantity from counts in logarithmic bins.

Masson, Rim, Lee: DDSketch (VLDB 2019, https://arxiv.org/abs/1908.10693), with a fixed range: a quantile is right within
`RELATIVE_ERROR`, and a sketch has at most some 220 bins.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

RELATIVE_ERROR = 0.05
MIN_S, MAX_S = 1e-4, 1e5
WINDOW = 2_000
_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA = math.log(_GAMMA)


def bin_of(seconds: float) -> int:
    """The bin of a duration; shorter and longer ones than the range count as its ends."""
    return math.ceil(math.log(min(max(seconds, MIN_S), MAX_S)) / _LOG_GAMMA)


_FIRST, _LAST = bin_of(MIN_S), bin_of(MAX_S)


def quantile(bins: Mapping[str, int], q: float) -> float:
    """The q-quantile in seconds; the larger of two neighbours."""
    rank, seen = q * (sum(bins.values()) - 1), 0
    for number in sorted(map(int, bins)):
        seen += bins[str(number)]
        if seen > rank:
            return float(2 * _GAMMA**number / (_GAMMA + 1))
    return math.nan


class QuantileLearner:
    """Counts of durations by bin; halved after `WINDOW`, so that what is usual follows the service."""

    def __init__(self, state: Any = None) -> None:
        self.bins: dict[str, int] = dict(state or {})
        self.count = sum(self.bins.values())

    def learn(self, body: str) -> bool:
        if not _FIRST <= int(body) <= _LAST:
            raise ValueError("no bin of a duration")
        self.bins[str(int(body))] = self.bins.get(str(int(body)), 0) + 1
        self.count += 1
        if self.count >= WINDOW:
            self.bins = {number: n // 2 for number, n in self.bins.items() if n > 1}
            self.count = sum(self.bins.values())
        return False

    def profile(self) -> dict[str, Any]:
        return {"bins": dict(sorted(self.bins.items()))}

    def state(self) -> Any:
        return self.bins
