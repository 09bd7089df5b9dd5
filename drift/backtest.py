"""What detectors would have raised on observations of the past, and the course of their evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from drift.detectors import build_banks
from drift.monitor import Monitor
from drift.observations import selected
from drift.protocol import Evident, Observations
from schemas.drift_event import DriftEvent
from schemas.measurement import Segment
from schemas.settings import MonitorSettings


@dataclass(slots=True)
class Course:
    """Evidence of one detector in one segment, after each step: `times` in Unix s, `patience` the c it is held against."""

    detector: str
    times: list[float] = field(default_factory=list)
    evidence: list[float] = field(default_factory=list)
    patience: list[float] = field(default_factory=list)


class Backtest:
    """A monitor without alert rules, over one partition that holds everything.

    Raises
    ------
    ConfigError : an unknown detector, or options it does not have.
    """

    def __init__(self, settings: MonitorSettings, path: str = "monitor.detectors") -> None:
        self._banks = build_banks(settings.detectors, path=path)
        self._monitor = Monitor(settings, (), partition=0, partition_count=1, banks=self._banks)
        self._latest = 0.0
        self.observations = 0

    def feed(self, observations: Observations) -> list[DriftEvent]:
        """The changes found in these."""
        if not len(observations):
            return []
        self.observations += len(observations)
        self._latest = max(self._latest, float(observations.time.max()))
        return self._monitor.update(observations, now=datetime.fromtimestamp(self._latest, UTC)).drift_events

    def follow(
        self, observations: Observations, segment: Segment, steps: int = 500
    ) -> tuple[list[DriftEvent], list[Course]]:
        """`feed` in small steps, and the evidence of each detector that can show it. The statistic of an alarm stands in
        its event; after it the evidence begins anew."""
        courses: Sequence[tuple[Evident, Course]] = [
            (bank, Course(bank.kind)) for bank in self._banks if isinstance(bank, Evident)
        ]
        events, size = [], max(1, len(observations) // steps)
        for start in range(0, len(observations), size):
            part = selected(observations, _between(len(observations), start, start + size))
            events += self.feed(part)
            for bank, course in courses:
                course.times.append(float(part.time[-1]))
                evidence, patience = bank.evidence(segment.key)
                course.evidence.append(evidence)
                course.patience.append(patience)
        return events, [course for _, course in courses]


def _between(count: int, start: int, end: int) -> np.ndarray:
    places = np.arange(count)
    return (places >= start) & (places < end)
