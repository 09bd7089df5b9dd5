"""Embedding: what it finds, what it leaves alone, what it says of it, what it holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from drift.detectors.embedding import MAX_MISFITS, EmbeddingBank, EmbeddingOptions
from drift.observations import of_measurements
from drift.protocol import Detection
from schemas.measurement import Measurement
from schemas.state_row import StateRow
from tests.drift.streams import BASE, inside, one

SMALL: dict[str, Any] = {"start": 128, "reference": 256, "clusters": 12, "patience": 10_000}


def bank(rows: Sequence[StateRow] = (), **options: Any) -> EmbeddingBank:
    made = EmbeddingBank("embedding", EmbeddingOptions(**(SMALL | options)))
    made.load(rows)
    return made


def topics(parts: Sequence[tuple[int, Sequence[float]]], seed: int = 0, size: int = 32) -> list[Measurement]:
    """Texts of topics, one a second; `parts` are (how many, the topics' weights). The trace id begins with the topic."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(size=(12, size))
    found: list[Measurement] = []
    for count, weights in parts:
        for topic in rng.choice(len(weights), count, p=np.array(weights) / sum(weights)).tolist():
            vector = centres[topic] + 0.5 * rng.normal(size=size)
            at = len(found)
            found.append(one(at, passed=None, vector=tuple(vector.tolist()), trace_id=f"{topic}-{at}"))
    return found


EVEN = [1.0] * 8
GROWN = [1.0] * 7 + [5.0]
RARER = [0.0] * 2 + [1.0] * 6
UNHEARD = [1.0] * 8 + [3.0]


def found(stream: Sequence[Measurement], **options: Any) -> list[Detection]:
    return bank(**options).update(of_measurements(stream))


def test_a_topic_that_grows_is_named_by_its_own_texts() -> None:
    (event,) = found(topics([(500, EVEN), (200, GROWN)]))
    assert 500 < event.index < 620
    assert event.details["more"] and not event.details["unlike_reference"]
    traces = event.details["typical_traces"]
    assert traces and all(trace.startswith("7-") and int(trace.removeprefix("7-")) >= 450 for trace in traces)
    assert event.before == pytest.approx(1 / 8, abs=0.05)
    assert event.after is not None and event.after_interval is not None
    assert event.after > 0.25 and event.after_interval[0] < event.after < event.after_interval[1]
    assert event.changed_at is not None
    assert abs((event.changed_at - one(500).event_time).total_seconds()) < 60
    assert event.explanation.startswith("one topic makes up ")


def test_a_topic_that_goes_is_named_by_texts_of_the_reference() -> None:
    (event,) = found(topics([(600, EVEN), (400, RARER)], seed=1))
    assert not event.details["more"]
    assert event.after is not None and event.before is not None and event.after < event.before
    assert {trace.split("-")[0] for trace in event.details["typical_traces"]} <= {"0", "1"}
    assert all(int(trace.split("-")[1]) < 256 for trace in event.details["typical_traces"])


def test_texts_like_none_before_are_found_and_named() -> None:
    (event,) = found(topics([(500, EVEN), (150, UNHEARD)], seed=2))
    assert 500 < event.index < 600
    traces = event.details["typical_traces"]
    assert traces and all(trace.startswith("8-") for trace in traces)


def test_golden_alarm() -> None:
    (event,) = found(topics([(500, EVEN), (200, GROWN)]))
    assert (event.index, event.observations, event.details["reference"]) == (540, 541, 256)


def test_no_alarm_without_a_change() -> None:
    alarms = sum(len(found(topics([(3000, EVEN)], seed=seed), patience=1000)) for seed in range(10))
    assert alarms <= 38, "30,000 texts at a patience of 1,000: 30, and 1.5 standard deviations"


def test_an_alarm_begins_a_new_epoch_with_a_reference_of_its_own() -> None:
    events = found(topics([(500, EVEN), (900, GROWN), (300, EVEN)]))
    assert len(events) == 2
    assert events[0].index < 620 and events[1].index > 1400
    assert events[1].observations == events[1].index - events[0].index
    assert events[1].changed_at is not None and events[1].changed_at > one(1350).event_time


def test_it_watches_from_the_first_reference_on() -> None:
    (event,) = found(topics([(180, EVEN), (70, [0.0] * 8 + [1.0])]))
    assert event.details["reference"] == 128


def test_another_length_of_vectors_is_another_model() -> None:
    detector = bank()
    assert detector.update(of_measurements(topics([(400, EVEN)]))) == []
    other = topics([(MAX_MISFITS - 1 + 400, EVEN), (100, GROWN)], size=16, seed=3)
    (event,) = detector.update(of_measurements(other))
    assert detector.dropped["detector_value"] == MAX_MISFITS - 1
    assert event.observations == event.index + 1 - (MAX_MISFITS - 1)


def test_single_vectors_of_another_length_do_not_end_an_epoch() -> None:
    stream: list[Measurement] = []
    for m in topics([(400, EVEN), (200, GROWN)]):
        stream += [m, one(0, passed=None, vector=(1.0,)), one(0, passed=None, vector=(float("nan"),) * 32)]
    (event,) = found(stream)
    assert 400 < event.observations < 600


@pytest.mark.parametrize("size", [1e-7, 1.0, 60_000.0])
def test_vectors_of_any_size_and_on_a_line_are_survived(size: float) -> None:
    line = [one(i, vector=(size * (i % 2), 0.0, *(size for _ in range(30)))) for i in range(1200)]
    assert found(line) == []


def test_vectors_of_zeros_are_survived() -> None:
    assert found([one(i, vector=(0.0,) * 8) for i in range(600)]) == []


def test_another_refit_forgets_the_reference() -> None:
    detector = bank()
    detector.update(of_measurements(topics([(400, EVEN)])))
    again = bank(detector.dirty(), refit=1)
    assert again.dropped["detector_state"] == 1
    assert again.update(of_measurements(topics([(300, GROWN)]))) == []


def test_a_reference_that_is_missing_or_another_one_begins_afresh() -> None:
    detector = bank()
    detector.update(of_measurements(topics([(400, EVEN)])))
    rows = detector.dirty()
    assert [row.key for row in rows] == [BASE.key, f"{BASE.key}%fit"]
    assert bank(rows[:1]).dropped["detector_state"] == 1
    other = bank()
    other.update(of_measurements(topics([(400, EVEN)], seed=9)))
    assert bank([rows[0], other.dirty()[1]]).dropped["detector_state"] == 1


def test_parts_that_are_no_more_are_emptied() -> None:
    detector, stream = bank(), topics([(400, EVEN)])
    detector.update(of_measurements(stream[:200]))
    first = {row.key: row.state for row in detector.dirty()}
    assert set(first) == {BASE.key, f"{BASE.key}%fit", *(f"{BASE.key}%text{i}" for i in range(7))}
    detector.update(of_measurements(stream[200:]))
    second = {row.key: row.state for row in detector.dirty()}
    assert {key for key, state in second.items() if not state} == {f"{BASE.key}%text{i}" for i in range(7)}


def test_what_is_written_is_bounded() -> None:
    wide = {"start": 128, "reference": 256, "clusters": 100, "patience": 1e9}
    detector = bank(**wide)
    detector.update(of_measurements(topics([(260, EVEN)], size=384)))
    detector.dirty()
    sizes = []
    for seed in range(2):
        detector.update(of_measurements(topics([(1500, EVEN)], size=384, seed=seed)))
        (row,) = detector.dirty()
        sizes.append(len(row.state))
    assert sizes[0] == pytest.approx(sizes[1], rel=0.05)
    assert sizes[1] < 40_000


def test_segments_beyond_the_limit_are_not_watched_and_counted() -> None:
    detector = bank(max_segments=2)
    stream = [one(i, vector=(1.0, 2.0), segment=inside("tool", f"t{i}")) for i in range(5)]
    detector.update(of_measurements(stream))
    assert detector.dropped["detector_segments"] == 3


def test_start_is_not_above_reference() -> None:
    with pytest.raises(ValidationError, match="start"):
        EmbeddingOptions(start=300, reference=200)


@pytest.mark.parametrize(
    ("count", "expected"), [(199, False), (200, True), (600, False), (1600, True), (3000, True), (3200, False)]
)
def test_the_reference_is_fitted_at_each_doubling(count: int, expected: bool) -> None:
    assert EmbeddingOptions().is_fit(count) is expected
