"""The figures of docs/concepts/monitoring.md: false alarms and delays of the shipped detectors.

Run ``python -m tests.benchmarks.detectors [CLINC150.csv.gz]``; half a minute.
"""

from __future__ import annotations

import csv
import gzip
import random
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from drift.detectors.embedding_shift import EmbeddingShiftBank, EmbeddingShiftOptions
from drift.observations import of_measurements
from schemas.measurement import Measurement
from tests.drift.streams import BASE, at

OBSERVATIONS = 1_000_000
TRAVEL = [
    "book_flight",
    "flight_status",
    "book_hotel",
    "car_rental",
    "travel_alert",
    "travel_notification",
    "carry_on",
    "timezone",
    "vaccines",
    "translate",
    "international_visa",
    "lost_luggage",
    "plug_type",
    "exchange_rate",
    "travel_suggestion",
]


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


def embedding_shift(file: Path) -> None:
    import numpy as np
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    with gzip.open(file, "rt", newline="") as lines:
        rows = list(csv.DictReader(lines))
    words = TfidfVectorizer(min_df=3, stop_words="english").fit_transform([row["text"] for row in rows])
    reduced = TruncatedSVD(128, random_state=0).fit_transform(words)
    reduced /= np.maximum(np.linalg.norm(reduced, axis=1, keepdims=True), 1e-6)
    everything = [i for i, row in enumerate(rows) if row["intent"] != "oos"]
    travel = [i for i in everything if rows[i]["intent"] in TRAVEL]

    def run(indices: list[int], options: EmbeddingShiftOptions) -> list[int]:
        bank = EmbeddingShiftBank("embedding_shift", options)
        made: dict[str, Any] = {"segment": BASE, "trace_id": "t", "passed": None, "value": None, "outcome": "scored"}
        return [
            found.index
            for found in bank.update(
                of_measurements(
                    Measurement.model_construct(**made, event_time=at(n), vector=tuple(reduced[i].tolist()))
                    for n, i in enumerate(indices)
                )
            )
        ]

    for options in (EmbeddingShiftOptions(), EmbeddingShiftOptions(reference=500)):
        rng = random.Random(1)
        still = [len(run(rng.choices(everything, k=6000), options)) for _ in range(10)]
        tests = 10 * (6000 - options.reference - options.window) // (options.window // 4)
        print(
            f"reference {options.reference}: {sum(still)} alarms in about {tests} tests, allowed {tests * options.alpha}"
        )
        for share in (0.3, 0.6):
            delays = []
            for _ in range(9):
                after = [rng.choice(travel if rng.random() < share else everything) for _ in range(2000)]
                found = run([*rng.choices(everything, k=1000), *after], options)
                delays.append(next((i - 1000 for i in found if i >= 1000), 2000))
            print(f"  {share:.0%} given to 15 of 150 topics: median delay {statistics.median(delays)} {sorted(delays)}")


if __name__ == "__main__":
    adwin()
    if len(sys.argv) > 1:
        embedding_shift(Path(sys.argv[1]))
