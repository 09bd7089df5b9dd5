"""Page-Hinkley: the mean against the one so far (Page: Continuous inspection schemes, Biometrika 41, 1954), as implemented by
river.

It promises no rate of false alarms, and its threshold is in the unit of the scores. It is here to be compared with: see
docs/concepts/drift.md for what it does at river's defaults.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from pydantic import Field

from drift.detectors.bank import SegmentBank
from drift.protocol import Detection, Observation, Observations
from schemas.settings import Section

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from river.drift import PageHinkley

FORMAT = 1
LARGEST_VALUE = 1e15
_SUMS = ("_sum_increase", "_sum_decrease", "_min_increase", "_max_decrease")


class PageHinkleyOptions(Section):
    """Options of `page_hinkley`; river's defaults."""

    threshold: float = Field(50.0, gt=0, description="In the unit of the scores, summed over observations.")
    delta: float = Field(0.005, ge=0, description="Changes of the mean smaller than this are let pass.")
    alpha: float = Field(0.9999, gt=0, le=1, description="Forgetting of the sum, each observation.")
    min_instances: int = Field(30, ge=1, description="No alarm in fewer observations than this.")


class _State:
    """One segment. `turns`: observations, their sum and the time (Unix s) where the sum of deviations was lowest, and where it
    was highest: a rise began at the first, a fall at the second."""

    __slots__ = ("detector", "reads_verdicts", "total", "turns")

    def __init__(self, detector: PageHinkley) -> None:
        self.detector = detector
        self.reads_verdicts: bool | None = None
        self.total = 0.0
        self.turns: list[tuple[int, float, float]] = [(0, 0.0, 0.0), (0, 0.0, 0.0)]


class PageHinkleyBank(SegmentBank[_State]):
    """river's Page-Hinkley in every segment."""

    def __init__(self, kind: str, options: PageHinkleyOptions, evaluators: Collection[str] | None = None) -> None:
        from river.drift import PageHinkley

        super().__init__(kind, evaluators)
        self._page_hinkley, self._options = PageHinkley, options.model_dump()
        self._format = [FORMAT, self._options]

    def reads(self, observations: Observations) -> NDArray[np.bool_]:
        return (observations.passed >= 0) | np.isfinite(observations.value)

    def new(self) -> _State:
        return _State(self._page_hinkley(**self._options))

    def observe(self, state: _State, observation: Observation) -> Detection | None:
        if state.reads_verdicts is None:
            state.reads_verdicts = observation.passed >= 0
        x = float(observation.passed) if state.reads_verdicts else observation.value
        if not math.isfinite(x) or abs(x) > LARGEST_VALUE or (state.reads_verdicts and x < 0):
            self.dropped["detector_value"] += 1
            return None
        detector = state.detector
        lowest, highest = detector._min_increase, detector._max_decrease
        detector.update(x)
        state.total += x
        here = (int(detector._x_mean.n), state.total, observation.time)
        state.turns = [
            here if detector._min_increase < lowest else state.turns[0],
            here if detector._max_decrease > highest else state.turns[1],
        ]
        if not detector.drift_detected:
            return None
        detection = self._detection(state, observation, here[0])
        state.detector, state.total = self._page_hinkley(**self._options), 0.0
        return detection

    def _detection(self, state: _State, observation: Observation, count: int) -> Detection:
        detector = state.detector
        rise = detector._sum_increase - detector._min_increase
        fall = detector._max_decrease - detector._sum_decrease
        earlier, total, at = state.turns[0 if rise >= fall else 1]
        later = max(count - earlier, 1)
        before = total / earlier if earlier else None
        after = (state.total - total) / later
        changed_at = datetime.fromtimestamp(at, UTC)
        what = "pass rate" if state.reads_verdicts else "mean"
        return Detection(
            index=observation.row,
            detector=self.kind,
            changed_at=changed_at,
            before=before,
            after=after,
            statistic=max(rise, fall),
            threshold=self._options["threshold"],
            observations=count,
            observations_after=later,
            explanation=f"the {what} {'rose' if rise >= fall else 'fell'}"
            f"{'' if before is None else f' from {before:.3g}'} to {after:.3g} about {changed_at:%Y-%m-%d %H:%M} UTC",
            details=self._options,
        )

    def encode(self, state: _State) -> bytes:
        detector = state.detector
        sums = [None if math.isinf(v) else v for v in (getattr(detector, name) for name in _SUMS)]
        mean = [detector._x_mean.n, detector._x_mean._mean]
        return orjson.dumps([*self._format, state.reads_verdicts, state.total, state.turns, sums, mean])

    def decode(self, data: bytes) -> _State:
        state = self.new()
        form: list[Any]
        try:
            *form, reads_verdicts, total, turns, sums, mean = orjson.loads(data)
        except (orjson.JSONDecodeError, ValueError, TypeError):
            form = []
        if form != self._format:
            self.dropped["detector_state"] += 1
            return state
        state.reads_verdicts, state.total = reads_verdicts, total
        state.turns = [(int(n), s, at) for n, s, at in turns]
        for name, value in zip(_SUMS, sums, strict=True):
            setattr(state.detector, name, math.inf if value is None else value)
        state.detector._x_mean.n, state.detector._x_mean._mean = mean
        return state
