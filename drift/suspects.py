"""Which of all watched segments have moved, by what is stored of their detectors and what was found lately."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import orjson

from drift.detectors import build_banks
from drift.edbh import moved_together
from drift.monitor import MONITOR_KEY, TRAFFIC_KIND, shared_rate
from drift.protocol import Evident
from schemas.drift_event import DriftEvent
from schemas.settings import MonitorSettings
from schemas.state_row import StateRow


class Suspect(NamedTuple):
    """Evidence of a detector in a segment, and the c that it is held against. `found`: when an alarm was raised there; its
    evidence is that of the alarm then. `moved`: told by e-d-BH among all segments of the detector."""

    key: str
    detector: str
    evidence: float
    patience: float
    found: datetime | None
    moved: bool


def suspects(
    settings: MonitorSettings, states: Mapping[int, Sequence[StateRow]], events: Sequence[DriftEvent]
) -> list[Suspect]:
    """Every segment of every detector that can show its evidence, those with the most first.

    Parameters
    ----------
    states : stored rows by partition of `measurements`.
    events : what was found lately: after an alarm the evidence begins anew, so that the alarm's counts.
    """
    found: list[Suspect] = []
    alarms = {(e.segment.key, e.detector): e for e in sorted(events, key=lambda e: e.detected_at) if not e.revision}
    for kind in [bank.kind for bank in build_banks(settings.detectors) if isinstance(bank, Evident)]:
        seen: dict[str, tuple[float, float]] = {}
        for rows in states.values():
            seen |= _evidence(settings, kind, rows, len(states))
        found += _told(kind, seen, alarms)
    return sorted(found, key=lambda one: (-one.evidence / one.patience, one.key, one.detector))


def _evidence(
    settings: MonitorSettings, kind: str, rows: Sequence[StateRow], partitions: int
) -> dict[str, tuple[float, float]]:
    """Of one detector in one partition, by segment."""
    traffic = shared_rate(settings, partitions)
    for row in rows:
        if row.kind == TRAFFIC_KIND and row.key == MONITOR_KEY:
            traffic.decode(orjson.loads(row.state))
    (bank,) = [bank for bank in build_banks(settings.detectors) if bank.kind == kind]
    bank.load(rows)
    assert isinstance(bank, Evident)
    found = {}
    for row in rows:
        if row.kind == kind:
            value, patience = bank.evidence(row.key)
            found[row.key] = value, patience if math.isfinite(patience) else traffic.now()
    return found


def _told(
    kind: str, seen: Mapping[str, tuple[float, float]], alarms: Mapping[tuple[str, str], DriftEvent]
) -> list[Suspect]:
    by_patience: dict[float, list[Suspect]] = defaultdict(list)
    for key, (value, patience) in seen.items():
        alarm = alarms.get((key, kind))
        if alarm is not None and alarm.statistic is not None:
            value = max(value, alarm.statistic * patience / (alarm.threshold or patience))
        found = None if alarm is None else alarm.detected_at
        by_patience[patience].append(Suspect(key, kind, value, patience, found, False))
    told = []
    for patience, group in by_patience.items():
        moved = set(moved_together([one.evidence for one in group], patience))
        told += [one._replace(moved=place in moved) for place, one in enumerate(group)]
    return told
