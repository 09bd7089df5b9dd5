"""Detectors and alert rules over one partition of the measurements, as a pure state machine.

The same calls in the same order, however the measurements were cut into batches and however often the state was stored
and loaded in between, give the same findings and the same state rows, bit for bit. Nothing here does IO or reads a
clock: `now` is what the caller says.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import orjson

from drift.alerts.state import Overlay
from drift.alerts.watch import Heartbeat, Watch
from drift.detectors import build_banks
from drift.epochs import EPOCHS_KIND, EpochBook
from drift.known import SEGMENT_KIND, KnownSegments
from drift.protocol import Detection, DetectorBank, Observations, Sharing
from drift.room import with_room
from drift.segments import OTHER
from drift.traffic import Traffic
from schemas.alert import Alert
from schemas.drift_event import DriftEvent
from schemas.errors import Fatal
from schemas.measurement import Segment
from schemas.settings import AlertRule, MonitorSettings
from schemas.state_row import StateRow

MONITOR_KIND = "monitor"
TRAFFIC_KIND = "traffic"
RULE_KIND = "rule:"
MONITOR_KEY = "partition"


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a call. `dropped` counts, by reason, what the call could not take into account."""

    drift_events: list[DriftEvent] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    dropped: Mapping[str, int] = field(default_factory=dict)


class Monitor:
    """State of one partition of the measurements topic.

    Parameters
    ----------
    project, environment : the defaults of the configuration. The evaluator alone, under them, is where a rule's
        NO_DATA is raised even if no measurement was ever seen, by the monitor of the partition that this segment
        belongs to.
    banks : instead of those that `settings` configures.

    Raises
    ------
    ConfigError : an unknown detector, or options it does not have.
    """

    def __init__(
        self,
        settings: MonitorSettings,
        rules: Sequence[AlertRule],
        *,
        partition: int,
        partition_count: int,
        project: str = "",
        environment: str = "",
        banks: Sequence[DetectorBank] | None = None,
    ) -> None:
        self._settings, self._rules = settings, tuple(rules)
        self._partition, self._partition_count = partition, partition_count
        self._banks = tuple(build_banks(settings.detectors) if banks is None else banks)
        self._reported: list[Counter[str]] = [Counter() for _ in self._banks]
        limit = math.ceil(settings.max_segments / partition_count)
        other = OTHER if partition_count == 1 else f"{OTHER}@{partition}"
        self._known = KnownSegments(limit, 2 * limit + len(self._rules), other)
        for bank in self._banks:
            if isinstance(bank, Sharing):
                bank.share(self._known.table)
        self._traffic = shared_rate(settings, partition_count)
        self._epochs = EpochBook()
        self._watches: dict[int, list[Watch]] = {}
        self._watched = np.zeros(16, dtype=np.bool_)
        self._looked_at = 0
        self._touched: set[int] = set()
        self._behind_since: float | None = None
        self._stale = False
        self._changed = False
        for rule in self._rules:
            home = Segment(project=project, environment=environment, evaluator=rule.evaluator)
            if home.partition(partition_count) == partition:
                self._known.name(home.key)
        self._watch_new()

    def load(self, rows: Sequence[StateRow]) -> None:
        """Take up stored rows, in any order; rows of rules and detectors that are no longer configured are ignored.

        Raises
        ------
        Fatal : a row is damaged. Alerts would be numbered anew and replace those on record.
        """
        try:
            for row in rows:
                if row.kind == SEGMENT_KIND:
                    self._known.load(row)
            self._watch_new()
            for row in rows:
                self._take_up(row)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Fatal(f"stored monitor state is damaged: {row.kind} of {row.key}: {error}") from error
        for bank in self._banks:
            bank.load([row for row in rows if row.kind == bank.kind])

    def update(self, given: Observations, *, now: datetime) -> Found:
        """Read observations in order. `now` is the wall clock: it numbers nothing and orders nothing, but event times
        ahead of it are read as `now`, and what is older than `max_alert_age_s` notifies nobody."""
        dropped: Counter[str] = Counter()
        seen = self._known.place(given, dropped)
        self._known.count(seen)
        self._watch_new()
        seen = replace(seen, patience=self._traffic.patience(seen))
        return Found(self._detect(seen, dropped), self._alerts(seen, now.timestamp(), dropped), dict(dropped))

    def tick(self, *, now: datetime, caught_up: bool) -> Found:
        """Look at the wall clock; call about once a second.

        Parameters
        ----------
        caught_up : all measurements that were in the partition have been read. While False nothing is said about
            missing data; once it has been False for `stale_after_s`, rules are STALE.
        """
        wall = now.timestamp()
        was_stale = self._stale
        self._note_lag(wall, caught_up)
        alerts = []
        for number, watches in self._watches.items():
            for watch in watches:
                overlay: Overlay | None = watch.cycle.overlay
                if caught_up:
                    overlay = None if overlay == "STALE" else overlay
                elif self._stale and not was_stale and watch.segment.dimension is None:
                    overlay = "STALE"
                alert = watch.tick(wall, caught_up=caught_up, overlay=overlay)
                if watch.changed:
                    self._touched.add(number)
                if alert is not None:
                    alerts.append(alert)
        alerts.sort(key=lambda a: (a.segment.key, a.rule))
        return Found(alerts=alerts)

    def alert_states(self) -> Counter[tuple[str, str]]:
        """How many segments are in which state, by (rule, state)."""
        return Counter((watch.rule.name, watch.cycle.shown) for held in list(self._watches.values()) for watch in held)

    def dirty(self) -> list[StateRow]:
        """The rows that changed since the last call, sorted; stored together with the findings of the same calls."""
        rows = self._known.dirty()
        if self._changed:
            rows.append(StateRow(MONITOR_KIND, MONITOR_KEY, orjson.dumps([self._behind_since, self._stale])))
            self._changed = False
        if self._traffic.changed:
            rows.append(StateRow(TRAFFIC_KIND, MONITOR_KEY, orjson.dumps(self._traffic.encode())))
            self._traffic.changed = False
        for number in self._touched:
            for watch in self._watches[number]:
                if watch.changed:
                    key = self._known.table.key(number)
                    rows.append(StateRow(f"{RULE_KIND}{watch.rule.name}", key, watch.encode()))
                    watch.changed = False
        self._touched.clear()
        rows.extend(self._epochs.dirty())
        for bank in self._banks:
            rows.extend(bank.dirty())
        return sorted(rows)  # no two are of the same kind and key

    def _take_up(self, row: StateRow) -> None:
        if row.kind == MONITOR_KIND:
            self._behind_since, self._stale = orjson.loads(row.state)
            self._changed = False
        elif row.kind == TRAFFIC_KIND:
            self._traffic.decode(orjson.loads(row.state))
        elif row.kind == EPOCHS_KIND:
            self._epochs.load(row)
        elif row.kind.startswith(RULE_KIND):
            number = self._known.table.number(row.key)
            for watch in self._watches.get(-1 if number is None else number, ()):
                if watch.rule.name == row.kind.removeprefix(RULE_KIND):
                    watch.decode(row.state)

    def _watch_new(self) -> None:
        """Begin to watch the segments that have become known, where a rule wants it."""
        table = self._known.table
        self._watched = with_room(self._watched, len(table))
        for number in range(self._looked_at, len(table)) if self._rules else ():
            watches = list(self._watches_of(table[number]))
            if watches:
                self._watches[number] = watches
                self._watched[number] = True
        self._looked_at = len(table)

    def _watches_of(self, segment: Segment) -> Iterator[Watch]:
        for rule in self._rules:
            if rule.evaluator != segment.evaluator:
                continue
            if rule.dimension == segment.dimension:
                yield Watch(rule, segment, self._settings)
            elif segment.dimension is None:
                yield Heartbeat(rule, segment, self._settings)

    def _alerts(self, seen: Observations, wall: float, dropped: Counter[str]) -> list[Alert]:
        alerts = []
        for row in seen.rows(np.flatnonzero(self._watched[seen.segment])):
            self._touched.add(row.segment)
            if not 0 < row.inclusion <= 1:
                dropped["inclusion_probability"] += 1
                continue
            at = min(row.time, wall)
            for watch in self._watches[row.segment]:
                alert = watch.update(row, at, wall, dropped)
                if alert is not None:
                    alerts.append(alert)
        return alerts

    def _detect(self, seen: Observations, dropped: Counter[str]) -> list[DriftEvent]:
        found: list[tuple[int, int, Detection]] = []
        for order, bank in enumerate(self._banks):
            found.extend((d.index, order, d) for d in bank.update(seen))
            dropped.update(bank.dropped - self._reported[order])
            self._reported[order] = bank.dropped.copy()
        found.sort(key=lambda item: item[:2])
        told = (self._epochs.tell(detection, seen, dropped) for _, _, detection in found)
        return [event for event in told if event is not None]

    def _note_lag(self, now: float, caught_up: bool) -> None:
        before = self._behind_since, self._stale
        if caught_up:
            self._behind_since, self._stale = None, False
        else:
            since = now if self._behind_since is None else min(self._behind_since, now)
            self._behind_since, self._stale = since, self._stale or now - since >= self._settings.stale_after_s
        self._changed |= before != (self._behind_since, self._stale)


def shared_rate(settings: MonitorSettings, partition_count: int) -> Traffic:
    """The traffic of one partition, with its share of the false alarms that are allowed."""
    return Traffic(settings.false_alarms_per_day / partition_count, len(settings.detectors))
