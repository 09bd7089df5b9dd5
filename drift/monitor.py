"""Detectors and alert rules over one partition of the measurements, as a pure state machine.

The same calls in the same order, however the measurements were cut into batches and however often the state was stored
and loaded in between, give the same findings and the same state rows, bit for bit. Nothing here does IO or reads a
clock: `now` is what the caller says.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from drift.alerts.state import Overlay
from drift.alerts.watch import Heartbeat, Watch
from drift.detectors import build_banks
from drift.protocol import Detection, DetectorBank, StateRow
from drift.segments import OTHER
from schemas.alert import Alert
from schemas.drift_event import DriftEvent
from schemas.errors import Fatal
from schemas.measurement import Measurement, Segment
from schemas.settings import AlertRule, MonitorSettings

SEGMENT_KIND = "segment"
MONITOR_KIND = "monitor"
RULE_KIND = "rule:"
MONITOR_KEY = "partition"


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a call. `dropped` counts, by reason, what the call could not take into account."""

    drift_events: list[DriftEvent] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    dropped: Mapping[str, int] = field(default_factory=dict)


class _Known:
    """A segment that was seen (or is a rule's home), the rules that watch it, and how many measurements it has had."""

    __slots__ = ("counts", "key", "segment", "watches")

    def __init__(self, segment: Segment, watches: list[Watch]) -> None:
        self.segment, self.key, self.watches = segment, segment.key, watches
        self.counts = {"scored": 0, "failed": 0, "skipped": 0}


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
        self._limit = math.ceil(settings.max_segments / partition_count)
        self._known: dict[str, _Known] = {}
        self._admitted: set[str] = set()
        self._new: set[str] = set()
        self._touched: dict[str, _Known] = {}
        self._behind_since: float | None = None
        self._stale = False
        self._changed = False
        for rule in self._rules:
            home = Segment(project=project, environment=environment, evaluator=rule.evaluator)
            if home.partition(partition_count) == partition:
                self._know(home)

    def load(self, rows: Sequence[StateRow]) -> None:
        """Take up stored rows, in any order; rows of rules and detectors that are no longer configured are ignored.

        Raises
        ------
        Fatal : a row is damaged. Alerts would be numbered anew and replace those on record.
        """
        for row in sorted(rows, key=lambda r: (r.kind != SEGMENT_KIND, r.key)):
            try:
                self._take_up(row)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise Fatal(f"stored monitor state is damaged: {row.kind} of {row.key}: {error}") from error
        for bank in self._banks:
            bank.load([row for row in rows if row.kind == bank.kind])

    def update(self, batch: Sequence[Measurement], *, now: datetime) -> Found:
        """Read measurements in order. `now` is the wall clock: it numbers nothing and orders nothing, but event times
        ahead of it are read as `now`, and what is older than `max_alert_age_s` notifies nobody."""
        dropped: Counter[str] = Counter()
        seen = list(self._placed(batch, dropped))
        measured = [m for _, m in seen]
        events = self._detect(measured, dropped)
        alerts, wall = [], now.timestamp()
        for known, measurement in seen:
            known.counts[measurement.outcome] += 1
            self._new.add(known.key)
            if not known.watches:
                continue
            if not 0 < measurement.inclusion_probability <= 1:
                dropped["inclusion_probability"] += 1
                continue
            at = min(measurement.event_time.timestamp(), wall)
            for watch in known.watches:
                alert = watch.update(measurement, at, wall, dropped)
                if alert is not None:
                    alerts.append(alert)
        return Found(events, alerts, dict(dropped))

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
        for known in self._known.values():
            for watch in known.watches:
                overlay: Overlay | None = watch.cycle.overlay
                if caught_up:
                    overlay = None if overlay == "STALE" else overlay
                elif self._stale and not was_stale and watch.segment.dimension is None:
                    overlay = "STALE"
                alert = watch.tick(wall, caught_up=caught_up, overlay=overlay)
                if watch.changed:
                    self._touched[known.key] = known
                if alert is not None:
                    alerts.append(alert)
        alerts.sort(key=lambda a: (a.segment.key, a.rule))
        return Found(alerts=alerts)

    def dirty(self) -> list[StateRow]:
        """The rows that changed since the last call, sorted; stored together with the findings of the same calls."""
        rows = []
        for key in self._new:
            known = self._known[key]
            state = orjson.dumps({"segment": known.segment.model_dump(), "counts": known.counts})
            rows.append(StateRow(SEGMENT_KIND, key, state))
        self._new.clear()
        if self._changed:
            rows.append(StateRow(MONITOR_KIND, MONITOR_KEY, orjson.dumps([self._behind_since, self._stale])))
            self._changed = False
        for known in self._touched.values():
            for watch in known.watches:
                if watch.changed:
                    rows.append(StateRow(f"{RULE_KIND}{watch.rule.name}", known.key, watch.encode()))
                    watch.changed = False
        self._touched.clear()
        for bank in self._banks:
            rows.extend(bank.dirty())
        return sorted(rows, key=lambda row: (row.kind, row.key))

    def _take_up(self, row: StateRow) -> None:
        if row.kind == SEGMENT_KIND:
            stored = orjson.loads(row.state)
            known = self._admit(Segment.model_validate(stored["segment"]), row.key)
            known.counts.update(stored["counts"])
            self._new.discard(row.key)
        elif row.kind == MONITOR_KIND:
            self._behind_since, self._stale = orjson.loads(row.state)
            self._changed = False
        elif row.kind.startswith(RULE_KIND) and row.key in self._known:
            for watch in self._known[row.key].watches:
                if watch.rule.name == row.kind.removeprefix(RULE_KIND):
                    watch.decode(row.state)

    def _placed(self, batch: Sequence[Measurement], dropped: Counter[str]) -> Iterator[tuple[_Known, Measurement]]:
        """Each measurement with its segment; beyond `max_segments` that is the dimension's `other`."""
        found: dict[int, _Known | None] = {}  # by identity: a batch shares its segment objects, and holds them
        for measurement in batch:
            identity = id(measurement.segment)
            if identity not in found:
                known = found[identity] = self._place(measurement.segment)
                if known is not None:
                    self._touched[known.key] = known
            known = found[identity]
            if known is None:
                dropped["max_segments"] += 1
            elif known.segment.dimension_value != measurement.segment.dimension_value:
                dropped["other_segment"] += 1
                yield known, measurement.model_copy(update={"segment": known.segment})
            else:
                yield known, measurement

    def _place(self, segment: Segment) -> _Known | None:
        key = segment.key
        if segment.dimension is not None and key not in self._known and len(self._admitted) >= self._limit:
            name = OTHER if self._partition_count == 1 else f"{OTHER}@{self._partition}"
            segment = segment.model_copy(update={"dimension_value": name})
            key = segment.key
        if key not in self._known and len(self._admitted) >= 2 * self._limit + len(self._rules):
            return None
        return self._admit(segment, key)

    def _admit(self, segment: Segment, key: str) -> _Known:
        if key not in self._admitted:
            self._admitted.add(key)
            self._new.add(key)
        return self._known.get(key) or self._know(segment)

    def _know(self, segment: Segment) -> _Known:
        watches: list[Watch] = []
        for rule in self._rules:
            if rule.evaluator != segment.evaluator:
                continue
            if rule.dimension == segment.dimension:
                watches.append(Watch(rule, segment, self._settings))
            elif segment.dimension is None:
                watches.append(Heartbeat(rule, segment, self._settings))
        return self._known.setdefault(segment.key, _Known(segment, watches))

    def _detect(self, batch: Sequence[Measurement], dropped: Counter[str]) -> list[DriftEvent]:
        found: list[tuple[int, int, Detection]] = []
        for order, bank in enumerate(self._banks):
            found.extend((d.index, order, d) for d in bank.update(batch))
            dropped.update(bank.dropped - self._reported[order])
            self._reported[order] = bank.dropped.copy()
        found.sort(key=lambda item: item[:2])
        return [_event(detection, batch[index]) for index, _, detection in found]

    def _note_lag(self, now: float, caught_up: bool) -> None:
        before = self._behind_since, self._stale
        if caught_up:
            self._behind_since, self._stale = None, False
        else:
            since = now if self._behind_since is None else min(self._behind_since, now)
            self._behind_since, self._stale = since, self._stale or now - since >= self._settings.stale_after_s
        self._changed |= before != (self._behind_since, self._stale)


def _event(detection: Detection, measurement: Measurement) -> DriftEvent:
    return DriftEvent(
        segment=measurement.segment,
        detector=detection.detector,
        kind=detection.kind,
        detected_at=measurement.event_time,
        changed_at=detection.changed_at,
        before=detection.before,
        after=detection.after,
        statistic=detection.statistic,
        threshold=detection.threshold,
        observations=detection.observations,
        trace_id=measurement.trace_id,
        explanation=detection.explanation,
        details=detection.details,
    )
