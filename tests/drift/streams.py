"""Seeded streams of measurements, and ways to cut them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from schemas.measurement import Measurement, Segment

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
BASE = Segment(project="shop", environment="production", evaluator="polite")


def inside(dimension: str, value: str, segment: Segment = BASE) -> Segment:
    return segment.model_copy(update={"dimension": dimension, "dimension_value": value})


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def one(seconds: float, *, passed: bool | None = True, value: float | None = None, **fields: object) -> Measurement:
    """A scored measurement of BASE, `seconds` after START."""
    given = {"segment": BASE, "trace_id": f"t{seconds:g}", "event_time": at(seconds), **fields}
    return Measurement(passed=passed, value=value, **given)  # type: ignore[arg-type]


def verdicts(rates: Sequence[tuple[int, float]], seed: int = 0, segment: Segment = BASE) -> list[Measurement]:
    """Bernoulli verdicts, one a second: `rates` are (how many, pass rate)."""
    rng = random.Random(seed)
    draws = [rng.random() < rate for count, rate in rates for _ in range(count)]
    return [one(i, passed=draw, segment=segment, trace_id=f"{seed}-{i}") for i, draw in enumerate(draws)]


def vectors(means: Sequence[tuple[int, float]], size: int = 24, seed: int = 0) -> list[Measurement]:
    """Normal vectors whose first coordinate has the given mean: (how many, mean)."""
    rng = random.Random(seed)
    found = []
    for count, mean in means:
        for _ in range(count):
            vector = tuple(rng.gauss(mean if axis == 0 else 0.0, 1.0) for axis in range(size))
            found.append(one(len(found), passed=None, vector=vector, trace_id=f"{seed}-{len(found)}"))
    return found


def mixed(count: int, seed: int = 0) -> list[Measurement]:
    """Several segments, outcomes, weights and times out of order: everything the monitor must carry through."""
    rng = random.Random(seed)
    found: list[Measurement] = []
    for i in range(count):
        segment = rng.choice([BASE, inside("tool", "search"), inside("tool", "book"), inside("user_id", f"u{i % 9}")])
        falling = i > count // 2
        found.append(
            Measurement(
                segment=segment,
                trace_id=f"{seed}-{i}",
                outcome=rng.choices(["scored", "failed", "skipped"], [20, 1, 1])[0],  # type: ignore[arg-type]
                value=rng.choice([None, rng.random(), rng.lognormvariate(0, 2)]),
                passed=rng.random() < (0.4 if falling else 0.95),
                event_time=at(i * 5 + rng.choice([0, 0, 0, -30, -400, 20])),
                inclusion_probability=rng.choice([1.0, 1.0, 0.25, 0.1]),
                vector=tuple(rng.gauss(2.0 if falling else 0.0, 1.0) for _ in range(8)),
            )
        )
    return found


def cut(stream: Sequence[Measurement], seed: int) -> Iterator[list[Measurement]]:
    """The stream in batches of random sizes, some empty."""
    rng, start = random.Random(seed), 0
    while start < len(stream):
        size = rng.choice([0, 1, 2, 3, 7, 50, 211])
        yield list(stream[start : start + size])
        start += size
