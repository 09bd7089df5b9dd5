"""Epochs: the levels that a segment has been at, one after the other, and what a new one is beside the earlier ones.

A change ends an epoch and begins the next. A change to the level of an earlier epoch is not new: it is a return to normal if
that epoch is the one that lasted longest, else it is recurring. Two levels count as alike when the interval of one
holds the other (without intervals: when they differ by less than a quarter of the change), and they are nearer to each other
than to the level that was left. Embeddings have distances, not levels: their changes are always new.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from drift.protocol import Detection, Observations
from schemas.drift_event import Change, DriftEvent
from schemas.state_row import StateRow

EPOCHS_KIND = "epochs"
MAX_PAST = 32
"""Levels that are compared with; all changes stand in the warehouse."""
NEAR = 0.25


class Level(NamedTuple):
    """An epoch that is over. `since` in Unix s, None for the first."""

    epoch: int
    since: float | None
    value: float | None
    low: float | None
    high: float | None
    observations: int
    subject: str | None


class Epochs:
    """Of one detector in one segment: those that are over, and the event that began the present one."""

    __slots__ = ("event_id", "number", "past", "since")

    def __init__(self) -> None:
        self.number = 0
        self.since: float | None = None
        self.past: list[Level] = []
        self.event_id: str | None = None

    def begin(self, detection: Detection) -> None:
        """A change was found: the present epoch is over."""
        self.past = [*self.past[-(MAX_PAST - 1) :], self._ended(self.number, self.since, detection)]
        self.number += 1
        self.since = None if detection.changed_at is None else detection.changed_at.timestamp()

    def correct(self, detection: Detection) -> None:
        """More is known of the latest change."""
        self.past[-1] = self._ended(self.past[-1].epoch, self.past[-1].since, detection)
        self.since = self.since if detection.changed_at is None else detection.changed_at.timestamp()

    def compared(self, detection: Detection) -> tuple[Change, Level | None]:
        """What the latest change is, and the earlier epoch it went back to."""
        if detection.kind == "embedding":
            return "new", None
        alike = [level for level in self.past[:-1] if _alike(level, detection)]
        if not alike:
            return "new", None
        normal = max(self.past, key=lambda level: (level.observations, -level.epoch))
        return ("return_to_normal", normal) if normal in alike else ("recurring", alike[-1])

    def _ended(self, epoch: int, since: float | None, detection: Detection) -> Level:
        low, high = detection.before_interval or (None, None)
        lasted = detection.observations - (detection.observations_after or 0)
        if self.past and self.past[-1].epoch == epoch:  # a correction: the alarm's own count of the epoch stands
            lasted = self.past[-1].observations
        return Level(epoch, since, detection.before, low, high, lasted, detection.subject)


class EpochBook:
    """The epochs of all segments in which a change was ever found, and the events that tell of them."""

    def __init__(self) -> None:
        self._epochs: dict[str, dict[str, Epochs]] = {}
        self._changed: set[str] = set()

    def tell(self, detection: Detection, seen: Observations, dropped: Counter[str]) -> DriftEvent | None:
        """The event of a detection; None, and counted, where the size of an unknown change is told anew."""
        segment = seen.segments[seen.segment[detection.index]]
        book = self._epochs.setdefault(segment.key, {})
        epochs = book.setdefault(detection.detector, Epochs())
        if detection.revision == 0:
            epochs.begin(detection)
        elif epochs.event_id is None:
            dropped["revision"] += 1
            return None
        else:
            epochs.correct(detection)
        change, as_in = epochs.compared(detection)
        event = DriftEvent(
            segment=segment,
            detector=detection.detector,
            kind=detection.kind,
            change=change,
            detected_at=datetime.fromtimestamp(seen.time[detection.index], UTC),
            changed_at=detection.changed_at,
            changed_earliest=detection.earliest,
            changed_latest=detection.latest,
            before=detection.before,
            after=detection.after,
            statistic=detection.statistic,
            threshold=detection.threshold,
            observations=detection.observations,
            observations_after=detection.observations_after,
            epoch=epochs.number,
            revision=detection.revision,
            revises=epochs.event_id if detection.revision else None,
            subject=detection.subject,
            trace_id=seen.trace_id(detection.index),
            explanation=detection.explanation + _said(change, as_in),
            details=detection.details,
            **_bounds("before", detection.before_interval),
            **_bounds("after", detection.after_interval),
        )
        if detection.revision == 0:
            epochs.event_id = event.event_id
        self._changed.add(segment.key)
        return event

    def dirty(self) -> list[StateRow]:
        """The rows of segments that changed since the last call."""
        rows = []
        for key in sorted(self._changed):
            of_detectors = sorted(self._epochs[key].items())
            state = {
                name: [e.number, e.since, e.event_id, [list(level) for level in e.past]] for name, e in of_detectors
            }
            rows.append(StateRow(EPOCHS_KIND, key, orjson.dumps(state)))
        self._changed.clear()
        return rows

    def load(self, row: StateRow) -> None:
        """Take up a stored row.

        Raises
        ------
        ValueError, TypeError, AttributeError : it is damaged.
        """
        book = self._epochs[row.key] = {}
        for name, (number, since, event_id, past) in orjson.loads(row.state).items():
            epochs = book[name] = Epochs()
            epochs.number, epochs.since, epochs.event_id = number, since, event_id
            epochs.past = [Level(*level) for level in past]


def _alike(level: Level, detection: Detection) -> bool:
    before, after = detection.before, detection.after
    if level.value is None or before is None or after is None or level.subject != detection.subject:
        return False
    distance = abs(after - level.value)
    if distance >= abs(level.value - before):
        return False
    if detection.after_interval is not None and level.low is not None and level.high is not None:
        low, high = detection.after_interval
        return low <= level.value <= high or level.low <= after <= level.high
    return distance <= NEAR * abs(after - before)


def _said(change: Change, as_in: Level | None) -> str:
    if as_in is None:
        return ""
    since = "" if as_in.since is None else f" since {datetime.fromtimestamp(as_in.since, UTC):%Y-%m-%d %H:%M} UTC"
    what = "back to normal" if change == "return_to_normal" else "not for the first time"
    return f"; {what}: the level of epoch {as_in.epoch}{since} was {as_in.value:.3g}"


def _bounds(name: str, interval: tuple[float, float] | None) -> dict[str, Any]:
    return {} if interval is None else {f"{name}_low": interval[0], f"{name}_high": interval[1]}
