"""Shedding by policy: how much of its sample each evaluator still looks at while this worker is behind.

A ladder: every rung halves the share of one evaluator, those that are shed first on the lower rungs. A worker that is
behind climbs one rung at a time, one that has caught up climbs down; between the two limits it stays, and two steps
are at least `step_s` apart, so that a step can show its effect before the next.

The share lowers the threshold of deterministic sampling, `hash(trace id, evaluator) < sample_rate x share`: which traces
are left out depends on nothing but their ids. Dropping what comes last would leave out the traces of a peak.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from math import ceil, log2
from typing import Any

import structlog

from schemas.settings import OverloadSettings
from streams.kafka.clock import log_time
from streams.telemetry import Metrics

log = structlog.get_logger(__name__)

Place = tuple[str, int]


class Overload:
    """The policy of one worker.

    Parameters
    ----------
    evaluators : names of those that this worker works for; others in `shed` are passed over.
    at_rest : whether nothing of a partition waits any more.
    waiting : how many records wait.
    clock : monotonic, seconds.

    Attributes
    ----------
    shares : by evaluator, in (0, 1); one that is not in it looks at its whole sample.
    """

    def __init__(
        self,
        settings: OverloadSettings,
        evaluators: Collection[str],
        metrics: Metrics,
        *,
        at_rest: Callable[[Place], bool],
        waiting: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._metrics, self._clock = settings, metrics, clock
        self._at_rest, self._waiting = at_rest, waiting
        self._order = [name for name in settings.shed if name in evaluators]
        self._rungs = ceil(log2(1 / settings.min_share))  # of one evaluator
        self._waited: dict[Place, float] = {}
        self._rung = 0
        self._stepped_at = -settings.step_s
        self.shares: Mapping[str, float] = {}
        self._show()

    def note(self, place: Place, record: Any) -> None:
        """`record` is the oldest of its partition that is worked on: how long it has waited until now."""
        self._waited[place] = time.time() - log_time(record)

    def tick(self) -> None:
        """Climb up or down, when it is time to."""
        now = self._clock()
        if not self._order or now - self._stepped_at < self._settings.step_s:
            return
        pressure = self._pressure()
        step = 1 if pressure > 1 else -1 if pressure < self._settings.recover_below else 0
        rung = min(max(self._rung + step, 0), self._rungs * len(self._order))
        if rung != self._rung:
            self._rung, self._stepped_at = rung, now
            self._show()
            log.warning("overload", pressure=round(pressure, 2), shares=self.shares or "nothing is shed any more")

    def _pressure(self) -> float:
        """Lag as a multiple of its limit; of the two limits the one that is nearer."""
        for place in [place for place in self._waited if self._at_rest(place)]:
            del self._waited[place]
        pressure = max(self._waited.values(), default=0.0) / self._settings.max_lag_s
        if self._settings.max_lag_records is not None:
            pressure = max(pressure, self._waiting() / self._settings.max_lag_records)
        return pressure

    def _show(self) -> None:
        found = {name: self._share(place) for place, name in enumerate(self._order)}
        for name, share in found.items():
            self._metrics.overload_share.labels(name).set(share)
        self.shares = {name: share for name, share in found.items() if share < 1.0}

    def _share(self, place: int) -> float:
        """Of the evaluator that is shed `place`-th."""
        halvings = min(max(self._rung - place * self._rungs, 0), self._rungs)
        return max(0.5**halvings, self._settings.min_share)
