"""How far a component has read: per partition, and whether it has caught up with the log."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from faust.types import TP

from streams.kafka.batch import Batch
from streams.telemetry import Metrics

SETTLED_S = 1.0


class Progress:
    """Lag of the assigned partitions.

    Attributes
    ----------
    ends : where their logs end, as the broker said last.

    A log may end in markers that are no records, so "caught up" is "the position is the end, and nothing that was fetched
    waits in a buffer", and not "lag is 0".
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._app: Any = None
        self._generation = -1
        self._next: dict[TP, tuple[int, float]] = {}
        self._fresh_at: dict[
            TP, float
        ] = {}  # when nothing older than this was left: by what was received, or by the end
        self._first_asked: dict[TP, float] = {}
        self.ends: Mapping[TP, int] = {}

    def attach(self, app: Any) -> None:
        """Take the Faust application whose consumer is asked."""
        self._app = app

    def note(self, batch: Batch) -> None:
        """A batch was received."""
        self._refresh()
        tp = TP(self._prefix + batch.topic, batch.partition)
        self._next[tp] = (batch.next_offset, time.monotonic())
        written = batch.records[-1].timestamp / 1000
        self._fresh_at[tp] = max(min(written, time.time()), self._fresh_at.get(tp, 0.0))

    def assigned(self) -> set[TP]:
        """The partitions held now."""
        try:
            return set(self._app.consumer.assignment())
        except Exception:  # the consumer has not started, or is stopping
            return set()

    def at_rest(self, place: tuple[str, int]) -> bool:
        """Whether everything of a partition was received, or it is not ours any more."""
        tp = TP(self._prefix + place[0], place[1])
        return tp not in self.assigned() or self.behind(tp) == 0

    def lag(self, tp: TP) -> int | None:
        """Records of `tp` not yet received; None while the end is not known."""
        self._refresh()
        try:
            end = self._app.consumer.highwater(tp)
        except Exception:  # not assigned any more
            return None
        if end is None:
            return None
        received, since = self._next.get(tp, (0, 0.0))
        position, waiting = self._app.consumer.position_now(tp), self._app.consumer.fetched_now(tp) > received
        if position is not None and position >= end and not waiting and time.monotonic() - since > SETTLED_S:
            return 0
        begin = received or (self._app.consumer.committed_now(tp) if waiting else position) or 0
        return max(end - begin, int(waiting))

    def behind(self, tp: TP) -> int | None:
        """As `lag`, also by what the broker says of the end: while buffers are full, fetches do not tell."""
        lag, end = self.lag(tp), self.ends.get(tp)
        position = self._app.consumer.position_now(tp) if end is not None else None
        if end is None or (position is not None and position >= end):
            return lag
        received, _ = self._next.get(tp, (position or 0, 0.0))
        return max(end - received, lag or 0)

    def total_behind(self) -> int:
        """Records not yet received over all assigned partitions, as far as is known."""
        return sum(self.behind(tp) or 0 for tp in self.assigned())

    def lag_s(self, tp: TP) -> float | None:
        """How long the oldest record not yet received may have waited, seconds: since the newest received one was
        written, or since nothing was left. None while the end of the log is not known."""
        lag = self.behind(tp)
        if lag is None:
            return None
        now = time.time()
        if lag == 0:
            self._fresh_at[tp] = now
        if tp not in self._fresh_at:  # nothing received yet: at least since we were asked first
            return now - self._first_asked.setdefault(tp, now)
        return now - self._fresh_at[tp]

    def observe(self, metrics: Metrics) -> None:
        """Set the gauges of lag, for the partitions held now."""
        metrics.lag_records.clear()
        metrics.lag_seconds.clear()
        held = self.assigned()
        for tp in held:
            lag, lag_s = self.behind(tp), self.lag_s(tp)
            if lag is not None and lag_s is not None:
                topic = tp.topic.removeprefix(self._prefix)
                metrics.lag_records.labels(topic, tp.partition).set(lag)
                metrics.lag_seconds.labels(topic, tp.partition).set(lag_s)
        if held:
            metrics.buffered.labels("unacknowledged").set(self.in_hand())

    def caught_up(self, topic: str, partition: int) -> bool:
        """Whether everything written to the partition so far was received."""
        return self.lag(TP(self._prefix + topic, partition)) == 0

    def in_hand(self) -> int:
        """Chunks received, or on their way to the component, whose results are not all stored."""
        return int(self._app.consumer.unacknowledged) if self.assigned() else 0

    def total_lag(self) -> int | None:
        """Records not yet received over all assigned partitions; None while an end is not known."""
        lags = [self.lag(tp) for tp in self.assigned()]
        return None if any(lag is None for lag in lags) else sum(lag or 0 for lag in lags)

    def _refresh(self) -> None:
        if self._app is not None and self._app.consumer_generation_id != self._generation:
            self._generation = self._app.consumer_generation_id
            self._next.clear()
            self._fresh_at.clear()
            self._first_asked.clear()
