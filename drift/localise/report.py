"""A change in words and figures."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from drift.localise.change import Change


class Reading(NamedTuple):
    """A level in the unit of the scores, with its 90 % interval."""

    level: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{_short(self.level)} [{_short(self.low)}, {_short(self.high)}]"

    @property
    def interval(self) -> tuple[float, float]:
        return self.low, self.high


def moved(what: str, change: Change, before: Reading, after: Reading) -> str:
    """faithfulness fell from 0.92 [0.9, 0.94] to 0.71 [0.66, 0.77] around 2026-03-02 14:05 UTC ± 3 min; 63 observations after the
    change"""
    verb = "rose" if after.level > before.level else "fell"
    return f"{what} {verb} from {before} to {after} {when(change)}; {change.n - change.t} observations after the change"


def when(change: Change) -> str:
    """The moment, with its interval."""
    early, late = moment(change.at_low), moment(change.at_high)
    at, half = moment(change.at), (change.at_high - change.at_low) / 2
    if change.at_low == change.at_high:
        return f"around {at:%Y-%m-%d %H:%M} UTC"
    if abs(change.at - (change.at_low + change.at_high) / 2) <= half / 3:
        return f"around {at:%Y-%m-%d %H:%M} UTC ± {_duration(half)}"
    until = f"{late:%H:%M}" if late.date() == early.date() else f"{late:%Y-%m-%d %H:%M}"
    return f"around {at:%Y-%m-%d %H:%M} UTC (between {early:%Y-%m-%d %H:%M} and {until})"


def moment(time: float) -> datetime:
    return datetime.fromtimestamp(time, UTC)


def _short(value: float) -> str:
    return f"{value:.2f}" if 0.1 <= abs(value) < 10 or value == 0 else f"{value:.3g}"


def _duration(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
