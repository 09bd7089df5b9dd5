"""Embedding shift: what it finds, what it leaves alone, what it holds."""

from __future__ import annotations

from drift.detectors.embedding_shift import EmbeddingShiftBank, EmbeddingShiftOptions
from drift.observations import of_measurements
from tests.drift.streams import inside, one, vectors

SMALL = EmbeddingShiftOptions(reference=200, window=100, components=8)


def bank(options: EmbeddingShiftOptions = SMALL) -> EmbeddingShiftBank:
    return EmbeddingShiftBank("embedding_shift", options)


def test_golden_alarm() -> None:
    (found,) = bank().update(of_measurements(vectors([(600, 0.0), (250, 1.0)], seed=7)))
    assert found.index == 799
    assert found.kind == "embedding"
    assert found.statistic is not None and found.threshold is not None and found.statistic > found.threshold


def test_an_alarm_begins_a_new_epoch() -> None:
    stream = vectors([(400, 0.0), (900, 3.0), (300, 0.0)])
    found = bank().update(of_measurements(stream))
    assert [(d.index, d.observations) for d in found] == [(474, 475), (1374, 900)]


def test_no_alarm_without_a_change() -> None:
    alarms = sum(len(bank().update(of_measurements(vectors([(2000, 0.0)], seed=seed)))) for seed in range(5))
    assert alarms == 0, "360 tests at alpha 1e-3"


def test_vectors_on_a_line_and_of_any_size_are_survived() -> None:
    for size in (1e-7, 1.0, 60_000.0):
        line = [one(i, vector=(size * (i % 2), 0.0, size * (i % 2), *(size for _ in range(29)))) for i in range(600)]
        assert bank().update(of_measurements(line)) == []


def test_another_embedding_model_begins_a_new_epoch() -> None:
    detector = bank()
    assert detector.update(of_measurements(vectors([(300, 0.0)], size=24))) == []
    other = vectors([(100 + 500, 0.0), (200, 2.0)], size=12, seed=3)
    found = detector.update(of_measurements(other))
    assert detector.dropped["detector_value"] == 99
    assert len(found) == 1


def test_single_vectors_of_another_length_do_not_end_an_epoch() -> None:
    stream = []
    for m in vectors([(400, 0.0), (200, 2.0)]):
        stream += [m, one(0, passed=None, vector=(1.0,))]
    (found,) = bank().update(of_measurements(stream))
    assert found.observations == 500


def test_segments_beyond_the_limit_are_not_watched_and_counted() -> None:
    detector = bank(EmbeddingShiftOptions(max_segments=2))
    stream = [one(i, vector=(1.0, 2.0), segment=inside("tool", f"t{i}")) for i in range(5)]
    detector.update(of_measurements(stream))
    assert detector.dropped["detector_segments"] == 3
    assert len(detector.dirty()) == 2


def test_the_state_is_bounded() -> None:
    detector = bank()
    sizes = []
    for batch in (vectors([(199, 0.0)], size=384), vectors([(2, 0.0)], size=384), vectors([(5000, 0.0)], size=384)):
        detector.update(of_measurements(batch))
        sizes.append(len(detector.dirty()[0].state))
    assert sizes[0] < 199 * 384 * 2 + 200
    assert sizes[1] < sizes[2] < 16_000
