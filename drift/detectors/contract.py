"""A level that was promised: does "the mean is at least m" still hold?

Betting against a known mean (Waudby-Smith, Ramdas: Estimating means of bounded random variables by betting, JRSS-B 86, 2024),
summed over every moment at which the promise may have been broken: R ← (1 + λ (m - x)) (R + 1) for several λ, alarm when
their mean reaches the patience. If the mean of each observation, given those before, is at least m, the mean number of
observations to an alarm is at least the patience: they need not be independent, nor alike.

Once broken, the opposite is bet on, with the same guarantee for "it still is": that it holds again is told as well.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import numpy as np
import orjson
from pydantic import Field, model_validator

from drift.detectors.bank import SegmentBank
from drift.protocol import Detection, Observation, Observations
from schemas.settings import Section

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = 1
STAKES = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Shares of the largest λ that cannot lose everything."""


class ContractOptions(Section):
    """Options of `contract`: one of `at_least` and `at_most`."""

    at_least: float | None = Field(None, description="The promised mean; values must not exceed `upper`.")
    at_most: float | None = Field(None, gt=0, description="The promised mean; values must not be negative.")
    upper: float | None = Field(1.0, description="Largest possible value; null: unknown, then `at_most` only.")
    read: Literal["auto", "verdict", "value"] = Field("auto", description="auto: the verdict where there is one.")
    patience: float | None = Field(
        None, ge=100, description="Mean observations to a false alarm; default: from `monitor.false_alarms_per_day`."
    )

    @model_validator(mode="after")
    def _consistent(self) -> ContractOptions:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give exactly one of at_least and at_most")
        if self.at_least is not None and (self.upper is None or not 0 < self.at_least < self.upper):
            raise ValueError("at_least must lie between 0 and upper")
        if self.at_most is not None and self.upper is not None and self.at_most >= self.upper:
            raise ValueError("at_most must be below upper (null: unknown)")
        return self


class _State:
    """One segment: R of each stake, whether the promise is broken, observations and their sum in this phase, and of the
    longest losing run so far (`worth`: its bet at the middle stake) since when, how many and their sum."""

    __slots__ = ("broken", "count", "held", "r", "run", "since", "total", "worth")

    def __init__(self) -> None:
        self.broken = False
        self.begin(None)

    def begin(self, time: float | None) -> None:
        self.r = [0.0] * len(STAKES)
        self.count, self.total, self.worth = 0, 0.0, 0.0
        self.run, self.held = 0, 0.0
        self.since = time


class ContractBank(SegmentBank[_State]):
    """The promise in every segment of the evaluators it is about."""

    def __init__(self, kind: str, options: ContractOptions, evaluators: Collection[str] | None = None) -> None:
        super().__init__(kind, evaluators)
        self._options = options
        level = options.at_least if options.at_least is not None else options.at_most
        assert level is not None
        self._level = level
        self._format = [FORMAT, options.at_least, options.at_most, options.upper, options.read]

    def reads(self, observations: Observations) -> NDArray[np.bool_]:
        return (observations.passed >= 0) | np.isfinite(observations.value)

    def new(self) -> _State:
        return _State()

    def observe(self, state: _State, observation: Observation) -> Detection | None:
        verdict = observation.passed >= 0 and self._options.read != "value"
        x = float(observation.passed) if verdict else observation.value
        upper = self._options.upper
        if (
            not math.isfinite(x)
            or x < 0
            or (upper is not None and x > upper)
            or (self._options.read == "verdict" and not verdict)
        ):
            self.dropped["detector_value"] += 1
            return None
        patience = self._options.patience or observation.patience
        below = (self._options.at_least is not None) != state.broken  # betting that the mean is below the level
        most = 1 / (upper - self._level) if below and upper is not None else 1 / self._level
        gain = (self._level - x if below else x - self._level) * most
        state.r = [(1 + stake * gain) * (r + 1) for stake, r in zip(STAKES, state.r, strict=True)]
        self._follow(state, x, gain, observation.time)
        reached = sum(state.r) / len(STAKES)
        if reached < patience:
            return None
        detection = self._detection(state, observation, reached, patience)
        state.broken = not state.broken and (self._options.at_least is not None or upper is not None)
        state.begin(observation.time)
        return detection

    def _follow(self, state: _State, x: float, gain: float, time: float) -> None:
        state.count += 1
        state.total += x
        state.worth += math.log1p(STAKES[2] * gain)
        state.run += 1
        state.held += x
        if state.worth <= 0:
            state.worth, state.run, state.held, state.since = 0.0, 0, 0.0, time

    def _detection(self, state: _State, observation: Observation, reached: float, patience: float) -> Detection:
        since = datetime.fromtimestamp(observation.time if state.since is None else state.since, UTC)
        after = state.held / max(state.run, 1)
        earlier = state.count - state.run
        before = (state.total - state.held) / earlier if earlier else None
        promise = f"at {'least' if self._options.at_least is not None else 'most'} {self._level:g}"
        holds = "holds again" if state.broken else "no longer holds"
        return Detection(
            index=observation.row,
            detector=self.kind,
            changed_at=since,
            before=before,
            after=after,
            statistic=reached,
            threshold=patience,
            observations=state.count,
            observations_after=state.run,
            explanation=f"a mean of {promise} {holds}: {after:.3g} in the last {state.run} observations, since about {since:%Y-%m-%d %H:%M} UTC",
            details={"promise": promise, "holds": state.broken},
        )

    def encode(self, state: _State) -> bytes:
        return orjson.dumps(
            [
                *self._format,
                state.broken,
                state.r,
                state.count,
                state.total,
                state.worth,
                state.run,
                state.held,
                state.since,
            ]
        )

    def decode(self, data: bytes) -> _State:
        state = _State()
        try:
            *form, broken, r, count, total, worth, run, held, since = orjson.loads(data)
        except (orjson.JSONDecodeError, ValueError, TypeError):
            form = []
        if form != self._format:
            self.dropped["detector_state"] += 1
            return state
        state.broken, state.r, state.count, state.total, state.worth = broken, r, count, total, worth
        state.run, state.held, state.since = run, held, since
        return state
