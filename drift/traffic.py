"""How often the fleet may be alarmed for nothing, as a patience for each observation.

With c the mean number of observations to a false alarm, a detector that reads r observations a day alarms for nothing r / c times
a day, whatever the number of segments they are spread over. So c = r · (detectors) / (false alarms a day). The traffic r is
counted by hours of event time, over the last week: it follows from the stream alone, so that a replay and a restart
give the same c at the same observation. c moves only with a new hour, and in steps of 1, 2, 5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift.protocol import SCORED, Observations

HOUR_S = 3600.0
DAY_HOURS = 24
WEEK_HOURS = 168
LEAST, MOST = 1e3, 1e9
LEAST_ON_THE_FIRST_DAY = 1e5
_STEPS = sorted(m * 10.0**k for k in range(3, 10) for m in (1, 2, 5) if m * 10.0**k <= MOST)


class Traffic:
    """Scored observations by hour of event time, and the patience that follows.

    Parameters
    ----------
    false_alarms_per_day : of all detectors and segments of this partition together.
    detectors : how many share them.
    """

    def __init__(self, false_alarms_per_day: float, detectors: int) -> None:
        self._per_day, self._detectors = false_alarms_per_day, max(detectors, 1)
        self._hours: dict[int, int] = {}
        self._first: int | None = None
        self._newest: int | None = None
        self.changed = False

    def patience(self, seen: Observations) -> NDArray[np.float64]:
        """c for each observation, float64[n], and the observations taken up."""
        hours = np.floor(seen.time / HOUR_S).astype(np.int64)
        patience = np.empty(len(seen), dtype=np.float64)
        if not len(seen):
            return patience
        before = hours[0] if self._newest is None else self._newest
        newest = np.maximum(np.maximum.accumulate(hours), before)
        starts = np.flatnonzero(np.diff(newest, prepend=before)).tolist()
        scored = seen.outcome == SCORED
        for start, end in zip([0, *starts], [*starts, len(seen)], strict=True):
            if end > start:
                self._begin(int(newest[start]))
                patience[start:end] = self._current()
                self._add(hours[start:end][scored[start:end]])
        return patience

    def now(self) -> float:
        """c for the next observation, if it is of the same hour."""
        return LEAST_ON_THE_FIRST_DAY if self._newest is None else self._current()

    def encode(self) -> list[Any]:
        return [self._first, self._newest, sorted(self._hours.items())]

    def decode(self, state: list[Any]) -> None:
        self._first, self._newest, hours = state
        self._hours = dict(hours)
        self.changed = False

    def _begin(self, hour: int) -> None:
        if self._first is None or self._newest is None or hour - self._newest > WEEK_HOURS:
            self._first = hour  # the first hour of all, or one so far ahead that no traffic before it counts
        if hour != self._newest:
            self._newest = hour
            self._hours = {h: count for h, count in self._hours.items() if h > hour - WEEK_HOURS}

    def _add(self, hours: NDArray[np.int64]) -> None:
        assert self._newest is not None
        for hour, count in zip(*(part.tolist() for part in np.unique(hours, return_counts=True)), strict=True):
            if hour > self._newest - WEEK_HOURS:
                self._hours[hour] = self._hours.get(hour, 0) + count
                self.changed = True

    def _current(self) -> float:
        """From the hours that are over; before the first is, the least that a first day has."""
        assert self._newest is not None and self._first is not None
        whole = min(self._newest - self._first, WEEK_HOURS - 1)
        total = sum(count for hour, count in self._hours.items() if hour < self._newest)
        a_day = total / whole * DAY_HOURS if whole > 0 else 0.0
        least = LEAST if whole >= DAY_HOURS else LEAST_ON_THE_FIRST_DAY
        wanted = max(least, a_day * self._detectors / self._per_day)
        return next((step for step in _STEPS if step >= wanted * (1 - 1e-9)), MOST)
