"""The figures of docs/concepts/monitoring.md: false alarms and delays of the shipped detectors.

Run ``python -m tests.benchmarks.detectors``; half a minute. Of embeddings: ``tests/benchmarks/embedding_drift.py``.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator

OBSERVATIONS = 1_000_000


def bernoulli(rng: random.Random, rate: float, count: int) -> Iterator[float]:
    return (float(rng.random() < rate) for _ in range(count))


def repeating(rng: random.Random, rate: float, count: int, again: float) -> Iterator[float]:
    """Each repeats the one before with probability `again`."""
    x = 1.0
    for _ in range(count):
        if rng.random() > again:
            x = float(rng.random() < rate)
        yield x


def spans(rng: random.Random, rate: float, count: int, correlation: float, size: int) -> Iterator[float]:
    """Traces of `size` spans whose verdicts are correlated within the trace."""
    total = 1 / correlation - 1
    for _ in range(count // size):
        own = rng.betavariate(rate * total, (1 - rate) * total)
        yield from bernoulli(rng, own, size)


def alarms(xs: Iterator[float]) -> list[int]:
    from river.drift import ADWIN

    adwin, found = ADWIN(), []
    for i, x in enumerate(xs):
        adwin.update(x)
        if adwin.drift_detected:
            found.append(i)
    return found


def adwin() -> None:
    for rate in (0.5, 0.8, 0.92, 0.99):
        long = len(alarms(bernoulli(random.Random(int(rate * 1000)), rate, OBSERVATIONS)))
        rng = random.Random(7 + int(rate * 1000))
        early = sum(bool(alarms(bernoulli(rng, rate, 1000))) for _ in range(500))
        print(f"rate {rate}: {long} alarms in {OBSERVATIONS}; {early} of 500 runs of 1000 with an alarm")
    for again in (0.1, 0.3):
        found = alarms(repeating(random.Random(5), 0.92, OBSERVATIONS, again))
        print(f"repeating the one before with probability {again}: {len(found)} alarms in {OBSERVATIONS}")
    found = alarms(spans(random.Random(9), 0.92, OBSERVATIONS, 0.1, 10))
    print(f"ten spans a trace, correlated at 0.1: {len(found)} alarms in {OBSERVATIONS}")
    for after in (0.71, 0.88):
        delays = []
        for seed in range(60):
            rng = random.Random(seed)
            stream = [*bernoulli(rng, 0.92, 5000), *bernoulli(rng, after, 10_000)]
            delays.append(next((i - 5000 for i in alarms(iter(stream)) if i >= 5000), 10_000))
        print(f".92 -> {after}: median delay {statistics.median(delays)}, longest {max(delays)}")


if __name__ == "__main__":
    adwin()
