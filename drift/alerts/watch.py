"""One rule in one segment: its window, its state, and the alerts that come of them.

Evaluated at every measurement of the segment, over the window that ends at the latest event time, so that an alert does
not wait for a window to close and does not depend on how the stream was cut into batches. A worse level counts at
once, a better one only when a new bucket of the window has begun, which bounds flapping to once a bucket.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from drift.alerts.rule import level, measure, place, reading, threshold
from drift.alerts.state import AlertCycle, Overlay, Reason
from drift.alerts.window import Window
from drift.protocol import SCORED, Observation
from schemas.alert import Alert, AlertState
from schemas.ids import plain_digest
from schemas.measurement import Segment
from schemas.settings import AlertRule, MonitorSettings

FORMAT = 1
LATEST_S = 253402300799.0  # the last second that a datetime can hold


class Watch:
    """A rule in a segment. `changed`: its state is not stored yet."""

    __slots__ = ("_settings", "_windowed", "changed", "cycle", "rule", "segment", "window")

    def __init__(self, rule: AlertRule, segment: Segment, settings: MonitorSettings) -> None:
        self.rule, self.segment = rule, segment
        self._settings = settings
        self._windowed = _windowed(rule.statistic, rule.window_s, rule.window_count)
        self.window = Window(rule, settings.allowed_lateness_s)
        self.cycle = AlertCycle()
        self.changed = False

    def update(self, seen: Observation, at: float, now: float, dropped: Counter[str]) -> Alert | None:
        """Take up an observation of event time `at` (s); an alert when the state changed."""
        cycle, rule = self.cycle, self.rule
        overlay = cycle.overlay
        if seen.outcome == SCORED and rule.no_data_after_s is not None:
            cycle.heard_at = now
            self.changed = True
            overlay = None if overlay == "NO_DATA" else overlay
        x = self._reading(seen)
        new_level = cycle.level
        if x is not None:
            added = self.window.add(at, 1.0 / seen.inclusion, x)
            self.changed = True
            if added == "late":
                dropped["late"] += 1
            else:
                new_level = self._level(self.window.value(), better=added == "new_bucket")
        elif overlay == cycle.overlay and cycle.told == cycle.shown:
            return None
        if overlay == "STALE" and new_level != cycle.level:
            overlay = None
        if new_level == cycle.level and overlay == cycle.overlay and cycle.told == cycle.shown:
            return None
        return self._move(new_level, overlay, now)

    def tick(self, now: float, *, caught_up: bool, overlay: Overlay | None) -> Alert | None:
        """Look at the wall clock. `overlay` is what the monitor's own state leaves of the present one."""
        cycle, rule = self.cycle, self.rule
        self.changed |= cycle.correct_clock(now, listening=rule.no_data_after_s is not None)
        new_level, value = cycle.level, None
        if rule.no_data_after_s is None and overlay == "NO_DATA":  # the rule was changed
            overlay = None
        if caught_up and overlay is None:
            if cycle.heard_at is not None and rule.no_data_after_s and now - cycle.heard_at >= rule.no_data_after_s:
                overlay = "NO_DATA"
            elif rule.statistic == "count":
                end = max(self.window.until, now - self._settings.allowed_lateness_s)
                value = self.window.count_at(end)
                new_level = cycle.level if value is None else level(rule, value, cycle.level)
        if overlay != cycle.overlay or new_level != cycle.level:
            return self._move(new_level, overlay, now, value)
        return self._again(now)

    def encode(self) -> bytes:
        return orjson.dumps([FORMAT, self._windowed, self.cycle.encode(), self.window.encode()])

    def decode(self, data: bytes) -> None:
        """Take up stored state. A window of a rule that was since given another one starts afresh."""
        version, windowed, cycle, window = orjson.loads(data)
        self.cycle.decode(cycle)
        self.window = Window(self.rule, self._settings.allowed_lateness_s)
        if version == FORMAT and windowed == self._windowed:
            self.window.decode(window)
        self.changed = False

    def _reading(self, seen: Observation) -> float | None:
        return reading(self.rule, seen)

    def _level(self, value: float | None, *, better: bool) -> Any:
        rule, window = self.rule, self.window
        if rule.statistic == "count":
            whole = rule.window_s is None or window.until - window.since >= rule.window_s
            if rule.below and not whole:
                return self.cycle.level
        elif window.count() < rule.min_samples:
            return self.cycle.level
        if value is None:
            return self.cycle.level
        new = level(rule, value, self.cycle.level)
        return new if better or self.cycle.is_worse(new) else self.cycle.level

    def _move(self, new_level: Any, overlay: Overlay | None, now: float, value: float | None = None) -> Alert | None:
        recent = self._is_recent(now) or overlay is not None or (self.cycle.overlay is not None and new_level == "OK")
        found = self.cycle.move(new_level, overlay, recent=recent, muted=self.rule.mute)
        if found is None:
            return None
        return self._alert(*found, now, recent=recent, value=value)

    def _again(self, now: float) -> Alert | None:
        cycle, rule = self.cycle, self.rule
        if rule.renotify_s is None or rule.mute or cycle.shown == "OK" or cycle.notified_at is None:
            return None
        recent = cycle.overlay is not None or self._is_recent(now)
        if not recent or now - cycle.notified_at < rule.renotify_s:
            return None
        return self._alert(cycle.shown, "renotify", now, recent=True)

    def _is_recent(self, now: float) -> bool:
        return now - self.window.until <= self._settings.max_alert_age_s

    def _alert(
        self, before: AlertState, reason: Reason, now: float, *, recent: bool, value: float | None = None
    ) -> Alert:
        cycle, bounds = self.cycle, self.window.bounds()
        notify = cycle.tell(now, self.rule, recent=recent)
        self.changed = True
        state, value = cycle.shown, self.window.value() if value is None else value
        limit = None if cycle.overlay else threshold(self.rule, state)
        return Alert(
            rule=self.rule.name,
            segment=self.segment,
            state=state,
            previous_state=before,
            sequence=cycle.sequence,
            reason=reason,
            statistic=self.rule.statistic,
            value=value,
            threshold=limit,
            samples=self.window.count(),
            window_start=_moment(bounds[0]) if bounds else None,
            window_end=_moment(bounds[1]) if bounds else None,
            fired_at=_moment(now),
            summary=self._summary(state, before, reason, value, limit, now),
            notify=notify,
        )

    def _summary(
        self, state: str, before: str, reason: str, value: float | None, limit: float | None, now: float
    ) -> str:
        rule, where = self.rule, place(self.segment)
        if state == "NO_DATA":
            return f"no score of {where} for {_lasting(now - (self.cycle.heard_at or now))}"
        if state == "STALE":
            return f"{where} is not current: the monitor is behind its input"
        now_at = "" if value is None else f": {measure(rule)} {value:.3g}"
        if before == "STALE":
            return f"{where} is current again, {state}{now_at}"
        if before == "NO_DATA" or value is None:
            return f"scores of {where} arrive again, {state}{now_at}"
        side = "below" if rule.below else "above"
        word = "WARNING" if state == "OK" and rule.warning is not None else "CRITICAL" if state == "OK" else state
        bound = "" if limit is None else f"{word.lower()} {side} {limit:g}, "
        verb = _verb(state, before, reason, falls=rule.below)
        return f"{measure(rule)} of {where} {verb} {value:.3g} ({bound}{self.window.count()} traces)"


class Heartbeat(Watch):
    """Watches only whether scores arrive and are current: for the evaluator alone, under a rule on a dimension."""

    __slots__ = ()

    def decode(self, data: bytes) -> None:
        super().decode(data)
        self.window = Window(self.rule, self._settings.allowed_lateness_s)
        self.cycle.level = "OK"  # a level that it was left with was of another rule: before it had a dimension

    def _reading(self, seen: Observation) -> float | None:
        return None

    def _is_recent(self, now: float) -> bool:
        return True


def _verb(state: str, before: str, reason: str, *, falls: bool) -> str:
    if reason == "renotify":
        return "is still"
    if state == "OK":
        return "is back at" if before != "OK" else "is at"
    if before == "CRITICAL" and state == "WARNING":
        return "rose to" if falls else "fell to"
    return "fell to" if falls else "rose to"


@lru_cache(maxsize=4096)
def _windowed(statistic: str, window_s: float | None, window_count: int | None) -> str:
    """What the content of a window depends on."""
    return plain_digest([statistic, window_s, window_count])[:8]


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(min(max(seconds, 0.0), LATEST_S), UTC)


def _lasting(seconds: float) -> str:
    for unit, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
