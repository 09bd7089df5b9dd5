"""Categories: the one that moved is named; false alarms within the bound; a model that changes silently."""

from __future__ import annotations

import random

import orjson
import pytest

from drift.detectors.categories import OTHER, CategoriesBank, CategoriesOptions
from drift.observations import of_measurements
from drift.protocol import Detection
from schemas.measurement import Measurement
from tests.drift.streams import one


def drawn(*parts: tuple[int, dict[str, float]], seed: int = 0) -> list[Measurement]:
    rng = random.Random(seed)
    names = [rng.choices(list(mix), list(mix.values()))[0] for count, mix in parts for _ in range(count)]
    return [one(i, passed=None, label=name) for i, name in enumerate(names)]


def detect(stream: list[Measurement], **options: float) -> list[Detection]:
    return CategoriesBank("categories", CategoriesOptions(**options)).update(of_measurements(stream))  # type: ignore[arg-type]


CALM = {"search": 0.5, "book": 0.3, "cancel": 0.15, "refund": 0.05}


def test_the_category_that_moved_is_named() -> None:
    stream = drawn((2000, CALM), (600, CALM | {"refund": 0.5}), seed=3)
    first = detect(stream)[0]
    assert (first.kind, first.subject) == ("category", "refund")
    assert 2000 < first.index < 2100
    assert first.before == pytest.approx(0.05, abs=0.02)
    assert first.after == pytest.approx(0.33, abs=0.2)
    assert first.changed_at is not None and abs((first.changed_at - stream[2000].event_time).total_seconds()) < 30
    assert first.explanation.startswith("the share of refund rose from 0.0")


def test_a_model_that_changes_under_its_name() -> None:
    stream = drawn((500, {"gpt-4o-2024-05-13": 1}), (60, {"gpt-4o-2024-08-06": 1}))
    (event,) = detect(stream)
    assert event.subject == "gpt-4o-2024-05-13"
    assert event.index <= 515
    assert event.details["first_seen_after_the_change"] == ["gpt-4o-2024-08-06"]
    assert event.explanation.endswith("new since then: gpt-4o-2024-08-06")


def test_false_alarms_stay_within_the_bound() -> None:
    n, c = 60_000, 1000.0
    found = detect(drawn((n, CALM), seed=8), patience=c)
    assert len(found) <= n / c + 3 * (n / c) ** 0.5


def test_many_categories_are_other() -> None:
    mix = {"a": 8.0, "b": 8.0, **{f"c{i}": 1.0 for i in range(50)}}
    bank = CategoriesBank("categories", CategoriesOptions(max_categories=3))
    assert bank.update(of_measurements(drawn((1500, mix), seed=2))) == []
    (row,) = bank.dirty()
    names = orjson.loads(row.state.partition(b"\n")[0])[-1]
    assert len(names) == 4 and OTHER in names
