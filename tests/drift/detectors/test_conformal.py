"""The conformal detector: golden alarms, false alarms within the bound, levels and moments, scales, blocks, calendars."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from drift.conformal.track import FULL_BIN, LARGEST_BATCH
from drift.detectors.conformal import ConformalBank, ConformalOptions
from drift.observations import of_measurements
from drift.protocol import Detection, Observations
from drift.table import SegmentTable
from schemas.measurement import Measurement, Segment
from tests.drift.streams import BASE, START, one, verdicts


def bank(**options: Any) -> ConformalBank:
    return ConformalBank("conformal", ConformalOptions(**options))


def detect(stream: list[Measurement], **options: Any) -> list[Detection]:
    return bank(**options).update(of_measurements(stream))


def fleet(values: np.ndarray, *, verdict: bool, patience: float = 1e6, first: int = 0) -> Observations:
    """values[steps, segments], one a minute."""
    steps, segments = values.shape
    n = steps * segments
    keys = [Segment(evaluator="e", dimension="tool", dimension_value=str(i)).key for i in range(segments)]
    return Observations(
        segments=SegmentTable(keys),
        segment=np.tile(np.arange(segments, dtype=np.int32), steps),
        value=np.full(n, np.nan) if verdict else values.ravel(),
        passed=values.ravel().astype(np.int8) if verdict else np.full(n, -1, dtype=np.int8),
        outcome=np.zeros(n, dtype=np.int8),
        time=np.repeat(START.timestamp() + 60.0 * (first + np.arange(steps)), segments),
        inclusion=np.ones(n),
        traces=["t"],
        trace=np.zeros(n, dtype=np.int32),
        labels=[],
        label=np.full(n, -1, dtype=np.int32),
        vectors={},
        patience=np.full(n, patience),
    )


def numbers(*parts: tuple[int, Any], seed: int = 0) -> list[Measurement]:
    """(how many, draw) one after the other, one a second."""
    rng = random.Random(seed)
    values = [draw(rng) for count, draw in parts for _ in range(count)]
    return [one(i, passed=None, value=value) for i, value in enumerate(values)]


GOLDEN = [(2066, 0), (2266, 1), (3082, 0), (3282, 1)]
"""Observation and revision."""


def test_golden_alarms() -> None:
    found = detect(verdicts([(2000, 0.92), (1000, 0.71), (2000, 0.92)], seed=11))
    assert [(d.index, d.revision) for d in found] == GOLDEN
    fall, settled = found[0], found[1]
    assert fall.before == pytest.approx(0.92, abs=0.02)
    assert fall.changed_at is not None and fall.earliest is not None and fall.latest is not None
    assert fall.earliest <= fall.changed_at <= fall.latest
    assert abs((fall.changed_at - START).total_seconds() - 2000) < 40
    assert settled.index == fall.index + 200
    assert settled.after == pytest.approx(0.71, abs=0.08)
    assert settled.changed_at == fall.changed_at
    assert fall.explanation.startswith("pass rate of polite fell from 0.92 [0.9")
    assert "observations after the change" in fall.explanation


@pytest.mark.parametrize("law", ["verdicts", "levels", "skew"])
def test_false_alarms_stay_within_the_bound(law: str) -> None:
    rng, c, steps, segments = np.random.default_rng(1), 1000.0, 1000, 200
    draws = {
        "verdicts": lambda: (rng.random((steps, segments)) < 0.92).astype(float),
        "levels": lambda: rng.choice(5, (steps, segments)) + 1.0,
        "skew": lambda: rng.lognormal(0, 1, (steps, segments)),
    }
    found = bank().update(fleet(draws[law](), verdict=law == "verdicts", patience=c))
    bound = steps * segments / c
    alarms = sum(d.revision == 0 for d in found)
    assert 0 < alarms <= bound + 3 * bound**0.5


def test_a_batch_larger_than_one_pass_is_the_same_as_many_small_ones() -> None:
    rng = np.random.default_rng(4)
    values = np.concatenate([rng.beta(18, 2, (LARGEST_BATCH // 30, 60)), rng.beta(12, 8, (60, 60))])
    whole, parts = bank(), bank()
    found = whole.update(fleet(values, verdict=False))
    assert found
    again: list[Detection] = []
    for start in range(0, len(values), 7):
        given = fleet(values[start : start + 7], verdict=False, first=start)
        again += [replace(d, index=d.index + start * 60) for d in parts.update(given)]
    assert again == found
    assert parts.dirty() == whole.dirty()


def test_latencies_are_read_on_a_logarithmic_scale() -> None:
    slow = detect(numbers((1500, lambda r: r.lognormvariate(0, 0.5)), (800, lambda r: 1.5 * r.lognormvariate(0, 0.5))))
    assert slow[0].before == pytest.approx(1.0, abs=0.06)
    assert slow[1].after == pytest.approx(1.5, abs=0.15)
    assert slow[0].explanation.startswith("polite rose from")


def test_a_heavier_tail_is_found_and_said() -> None:
    tail = detect(
        numbers(
            (3000, lambda r: r.lognormvariate(0, 0.4)),
            (1500, lambda r: r.lognormvariate(0, 0.4) * (8 if r.random() < 0.06 else 1)),
        )
    )
    assert "among their highest" in tail[0].explanation


def test_a_verdict_is_read_where_it_says_as_much_as_the_value() -> None:
    both = [one(i, passed=i % 10 != 0, value=float(i % 10 != 0)) for i in range(60)]
    assert {row.state[:60] for row in _fed(both).dirty()} and b'"verdict":true' in _fed(both).dirty()[0].state
    graded = [one(i, passed=True, value=0.6 + 0.01 * (i % 7)) for i in range(60)]
    assert b'"verdict":false' in _fed(graded).dirty()[0].state


def _fed(stream: list[Measurement]) -> ConformalBank:
    made = bank()
    made.update(of_measurements(stream))
    return made


def test_a_scale_that_was_chosen_too_small_is_outgrown_and_counted() -> None:
    rng = random.Random(3)
    stream = [one(i, passed=None, value=rng.uniform(0.2, 0.9)) for i in range(30)]
    stream += [one(30 + i, passed=None, value=rng.uniform(0.5, 1.5)) for i in range(1000)]
    made = bank(patience=1e300)
    made.update(of_measurements(stream))
    assert made.dropped["detector_scale"] == 1


def test_counts_beyond_16_bits_are_exact_and_stored_alike() -> None:
    n = FULL_BIN + 5000
    values = np.full((n, 1), 0.5)
    values[::3] = 0.7
    whole, parts = bank(), bank()
    whole.update(fleet(values, verdict=False))
    for start in range(0, n, 9000):
        parts.update(fleet(values[start : start + 9000], verdict=False, first=start))
    rows = whole.dirty()
    assert rows == parts.dirty()
    again = bank()
    again.load(rows)
    track = again.tracks[2]
    assert track.counted(0).sum() == n - 20
    more = fleet(values[:100], verdict=False, first=n)
    again.update(more)
    whole.update(more)
    assert again.dirty() == whole.dirty()


@pytest.mark.parametrize(
    "options", [{"block": 5}, {"calendar": "hour_of_day"}, {"block": 3, "calendar": "hour_of_week"}]
)
def test_blocks_and_calendars_are_indifferent_to_cuts_and_storage(options: dict[str, Any]) -> None:
    rng = np.random.default_rng(8)
    values = np.concatenate([rng.random((3000, 5)) < 0.95, rng.random((1500, 5)) < 0.5]).astype(float)
    whole = bank(**options)
    found = whole.update(fleet(values, verdict=True))
    if options.get("calendar") != "hour_of_week":  # that compares with nothing yet in the first week
        assert {d.index % 5 for d in found if d.index >= 15_000} == set(range(5))
    parts, again, rows = bank(**options), [], {}
    for start in range(0, len(values), 700):
        again += [
            replace(d, index=d.index + start * 5)
            for d in parts.update(fleet(values[start : start + 700], verdict=True, first=start))
        ]
        rows |= {row.key: row for row in parts.dirty()}
        parts = bank(**options)
        parts.load(list(rows.values()))
    assert again == found
    assert {row.key: row for row in whole.dirty()} == rows


def test_more_segments_than_have_a_block_yet_are_stored() -> None:
    made, again = bank(block=5), bank(block=5)
    made.update(fleet(np.ones((3, 40)), verdict=True))
    rows = made.dirty()
    again.load(rows)
    more = fleet(np.ones((30, 40)), verdict=True, first=3)
    made.update(more)
    again.update(more)
    assert len(rows) == 40 and again.dirty() == made.dirty()


def test_a_daily_rhythm_raises_nothing_with_a_calendar() -> None:
    rng = np.random.default_rng(9)
    rates = np.where(np.arange(8 * 1440) // 60 % 24 < 12, 0.97, 0.8)[:, None]
    values = (rng.random((len(rates), 3)) < rates).astype(float)
    plain = bank(patience=1e5).update(fleet(values, verdict=True))
    assert plain, "without one it does"
    assert bank(patience=1e5, calendar="hour_of_day").update(fleet(values, verdict=True)) == []


def test_sums_that_no_longer_fit_shorten_the_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drift.conformal.track.LARGEST_SUM", 50_000)
    rng = np.random.default_rng(2)
    values = np.concatenate([rng.beta(18, 2, (600, 2)), rng.beta(8, 12, (60, 2))])
    found = bank().update(fleet(values, verdict=False))
    assert [d.before for d in found if d.revision == 0] == pytest.approx([0.9, 0.9], abs=0.05)


def test_a_segment_beyond_the_limit_is_counted() -> None:
    made = bank(max_segments=1)
    made.update(fleet(np.ones((3, 4)), verdict=True))
    assert made.dropped["detector_segments"] == 9
    assert [row.key for row in made.dirty()] == [Segment(evaluator="e", dimension="tool", dimension_value="0").key]


def test_other_options_begin_afresh() -> None:
    made = _fed(verdicts([(100, 0.9)]))
    other = bank(block=4)
    other.load(made.dirty())
    assert other.dropped["detector_state"] == 1
    other.update(of_measurements([one(200, segment=BASE)]))
