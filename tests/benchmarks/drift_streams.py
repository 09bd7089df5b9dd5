"""Streams for the gates of the drift detectors: many independent segments side by side, seeded."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from drift.protocol import Observations
from drift.table import SegmentTable
from schemas.measurement import Segment

Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]
START = 1_772_441_100.0
STEP_S = 60.0

NULLS: dict[str, Draw] = {
    "Bernoulli .5": lambda rng, n: (rng.random(n) < 0.5).astype(float),
    "Bernoulli .92": lambda rng, n: (rng.random(n) < 0.92).astype(float),
    "Bernoulli .99": lambda rng, n: (rng.random(n) < 0.99).astype(float),
    "Beta(18.4, 1.6)": lambda rng, n: rng.beta(18.4, 1.6, n),
    "five levels": lambda rng, n: rng.choice(5, n, p=[0.05, 0.1, 0.15, 0.3, 0.4]) + 1.0,
    "lognormal": lambda rng, n: rng.lognormal(0, 0.5, n),
    "Pareto 2.1": lambda rng, n: rng.pareto(2.1, n) + 1,
}


def beta(rng: np.random.Generator, mean: float, n: int, kappa: float = 20.0) -> NDArray[np.float64]:
    return rng.beta(mean * kappa, (1 - mean) * kappa, n)


class Fleet:
    """`count` segments that each get one observation a step, through one table: what a monitor with steady traffic sees."""

    def __init__(self, count: int, prefix: str = "s") -> None:
        self.count = count
        self.table = SegmentTable(
            Segment(project="p", evaluator="score", dimension="tool", dimension_value=f"{prefix}{i}").key
            for i in range(count)
        )
        self.numbers = np.arange(count, dtype=np.int32)

    def batch(
        self, values: NDArray[np.float64], first: int, patience: float, *, verdicts: bool, step_s: float = STEP_S
    ) -> Observations:
        """Steps from `first` on: values[steps, segments]."""
        steps = len(values)
        n = steps * self.count
        flat = np.ascontiguousarray(values).ravel()
        return Observations(
            segments=self.table,
            segment=np.tile(self.numbers, steps),
            value=np.full(n, np.nan) if verdicts else flat,
            passed=flat.astype(np.int8) if verdicts else np.full(n, -1, dtype=np.int8),
            outcome=np.zeros(n, dtype=np.int8),
            time=np.repeat(START + step_s * (first + np.arange(steps)), self.count),
            inclusion=np.ones(n),
            traces=["t"],
            trace=np.zeros(n, dtype=np.int32),
            labels=[],
            label=np.full(n, -1, dtype=np.int32),
            vectors={},
            patience=np.full(n, patience),
        )


def changed(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """[steps, segments], one after the other."""
    return np.concatenate([before, after])


def is_verdict(name: str) -> bool:
    return name.startswith("Bernoulli")


def markov(rng: np.random.Generator, rate: float, again: float, steps: int, segments: int) -> NDArray[np.float64]:
    """Each verdict repeats the one before with probability `again`."""
    fresh = (rng.random((steps, segments)) < rate).astype(float)
    repeat = rng.random((steps, segments)) < again
    repeat[0] = False
    source = np.where(repeat, 0, np.arange(steps)[:, None])
    found: NDArray[np.float64] = np.take_along_axis(fresh, np.maximum.accumulate(source, axis=0), axis=0)
    return found


def diurnal(
    rng: np.random.Generator, rate: float, swing: float, first: int, steps: int, segments: int, per_day: float
) -> NDArray[np.float64]:
    """A pass rate that goes up and down by `swing` every day."""
    rates = rate + swing * np.sin(2 * np.pi * (first + np.arange(steps)) / per_day)
    return (rng.random((steps, segments)) < rates[:, None]).astype(float)


def medians(delays: Sequence[float]) -> tuple[float, float]:
    """Median and 90th percentile."""
    return float(np.median(delays)), float(np.quantile(delays, 0.9))
