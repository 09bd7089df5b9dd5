"""ADWIN: golden alarms, means before and after, a real fall."""

from __future__ import annotations

import csv
import gzip
import random
from pathlib import Path

import pytest

from drift.detectors.adwin import AdwinBank, AdwinOptions
from drift.observations import of_measurements
from drift.protocol import Detection
from schemas.measurement import Measurement
from tests.drift.streams import START, one, verdicts

LLMDRIFT = Path(__file__).parents[4] / "shared" / "data" / "llmdrift_prime.csv.gz"


def detect(stream: list[Measurement], **options: float) -> list[Detection]:
    return AdwinBank("adwin", AdwinOptions(**options)).update(of_measurements(stream))  # type: ignore[arg-type]


def test_golden_alarms() -> None:
    stream = verdicts([(2000, 0.92), (1000, 0.71), (2000, 0.92)], seed=11)
    assert [d.index for d in detect(stream)] == [2111, 3167]
    fall, rise = detect(stream)[0], detect(stream)[-1]
    assert fall.before == pytest.approx(0.92, abs=0.03)
    assert fall.after is not None and fall.before is not None and fall.after < fall.before
    assert rise.after is not None and rise.before is not None and rise.after > rise.before


def test_the_means_are_those_of_the_two_parts_of_the_window() -> None:
    stream = verdicts([(1000, 0.9), (300, 0.3)], seed=2)
    first = detect(stream)[0]
    seen = [float(bool(m.passed)) for m in stream[: first.index + 1]]
    kept = first.details["after_count"]
    assert first.observations == len(seen)
    assert first.before == pytest.approx(sum(seen[:-kept]) / len(seen[:-kept]))
    assert first.after == pytest.approx(sum(seen[-kept:]) / kept)


def test_a_change_is_dated_by_the_times_it_kept() -> None:
    stream = verdicts([(5000, 0.92), (4000, 0.85)], seed=5)
    first = detect(stream)[0]
    cut = first.observations - first.details["after_count"]
    assert first.observations - cut > 500, "the cut must lie well before the alarm"
    assert first.changed_at is not None
    assert 0 <= cut - (first.changed_at - START).total_seconds() < 256, "within the step of 64 times kept of 9000"


def test_a_segment_is_read_as_its_first_observation_was() -> None:
    by_verdict = verdicts([(300, 1.0), (300, 0.0)])
    values = [m.model_copy(update={"value": 0.5}) for m in by_verdict]
    assert detect(values), "verdicts win over values"
    only_values = [one(0, passed=None, value=0.5), *values]
    assert detect(only_values) == [], "a constant value"


def test_no_alarm_within_the_grace_period() -> None:
    assert detect(verdicts([(5, 1.0), (4, 0.0)]), clock=1, grace_period=10) == []


@pytest.mark.skipif(not LLMDRIFT.exists(), reason="needs llmdrift_prime.csv.gz beside the checkout")
@pytest.mark.parametrize("seed", range(5))
def test_the_fall_of_gpt_4_between_march_and_june_2023(seed: int) -> None:
    with gzip.open(LLMDRIFT, "rt", newline="") as file:
        rows = [row for row in csv.DictReader(file) if "gpt-4" in row["model"]]
    models = sorted({row["model"] for row in rows})
    march, june = ([row["correct"] == "1" for row in rows if row["model"] == m] for m in models)
    for answers in (march, june):  # the file is sorted by kind of question: not exchangeable as it stands
        random.Random(seed).shuffle(answers)
    stream = [one(i, passed=passed) for i, passed in enumerate([*march, *june])]
    found = detect(stream)
    falls = [d for d in found if d.after is not None and d.before is not None and d.after < d.before]
    assert falls
    assert all(d.index >= len(march) for d in found), "no alarm before the change"
    assert falls[0].index - len(march) <= 100
