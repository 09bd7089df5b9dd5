"""The life of an alert: which state a rule is in for one segment, what was said of it and when.

The level (OK, WARNING, CRITICAL) comes from the window. NO_DATA and STALE lie over it: they say that the level is old.
`told` is the last state that somebody was notified of. It lags behind where a notification was held back because its
window was too old, and is made up for as soon as a recent window shows the same state.
"""

from __future__ import annotations

from typing import Any, Literal

from drift.alerts.rule import SEVERITY, Level
from schemas.alert import AlertState
from schemas.settings import AlertRule

Overlay = Literal["NO_DATA", "STALE"]
Reason = Literal["changed", "renotify", "recovered"]


class AlertCycle:
    """State of one rule in one segment. Times are Unix seconds of the wall clock."""

    __slots__ = ("heard_at", "level", "notified_at", "overlay", "sequence", "told")

    def __init__(self) -> None:
        self.level: Level = "OK"
        self.overlay: Overlay | None = None
        self.told: AlertState = "OK"
        self.sequence = 0
        self.notified_at: float | None = None
        self.heard_at: float | None = None

    @property
    def shown(self) -> AlertState:
        return self.overlay or self.level

    def move(
        self, level: Level, overlay: Overlay | None, *, recent: bool, muted: bool
    ) -> tuple[AlertState, Reason] | None:
        """Go to a state; the state before and the reason when that is worth an alert."""
        before = self.shown
        changed_level = level != self.level
        self.level, self.overlay = level, overlay
        if self.shown != before:
            return before, "recovered" if self.shown == "OK" else "changed"
        if self.told != before and recent and not muted and not changed_level:
            return before, "recovered" if before == "OK" else "renotify"
        return None

    def tell(self, now: float, rule: AlertRule, *, recent: bool) -> bool:
        """Number the next alert; whether somebody is to be notified of it."""
        self.sequence += 1
        if rule.mute or not recent:
            return False
        silent = self.shown == "OK" and not rule.notify_recovery
        self.told = self.shown
        self.notified_at = now
        return not silent

    def correct_clock(self, now: float, *, listening: bool) -> bool:
        """Start the clock of silence, and forget moments that lie ahead (the wall clock was set back)."""
        before = self.heard_at, self.notified_at
        if listening and (self.heard_at is None or self.heard_at > now):
            self.heard_at = now
        if self.notified_at is not None and self.notified_at > now:
            self.notified_at = now
        return before != (self.heard_at, self.notified_at)

    def is_worse(self, level: Level) -> bool:
        return SEVERITY[level] > SEVERITY[self.level]

    def encode(self) -> list[Any]:
        return [self.level, self.overlay, self.told, self.sequence, self.notified_at, self.heard_at]

    def decode(self, state: list[Any]) -> None:
        self.level, self.overlay, self.told, self.sequence, self.notified_at, self.heard_at = state
