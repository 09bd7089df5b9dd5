"""One suite for every bank: deterministic, indifferent to cuts, exact through storage, unharmed by garbage."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest

from drift.detectors import DETECTORS, build_banks
from drift.detectors.embedding import PART
from drift.observations import of_measurements
from drift.protocol import Detection, DetectorBank
from schemas.measurement import Measurement
from schemas.settings import DetectorSettings
from schemas.state_row import StateRow
from tests.drift.streams import BASE, cut, inside, one, vectors, verdicts


class Case(NamedTuple):
    settings: DetectorSettings
    stream: list[Measurement]


def interleaved(*streams: Sequence[Measurement]) -> list[Measurement]:
    """The streams in turn, each in a segment of its own."""
    found = []
    for i, row in enumerate(zip(*streams, strict=True)):
        for tool, measurement in enumerate(row):
            segment = inside("tool", f"t{tool}")
            found.append(measurement.model_copy(update={"segment": segment, "trace_id": f"{tool}-{i}"}))
    return found


def drifting_values(seed: int) -> list[Measurement]:
    rng = random.Random(seed)
    return [one(i, passed=None, value=rng.gauss(0.5 if i < 400 else 0.9, 0.1)) for i in range(700)]


TEXTS: dict[str, Any] = {"start": 64, "reference": 128, "clusters": 4, "patience": 1000}


def labels(*parts: tuple[int, str], seed: int = 1) -> list[Measurement]:
    """(how many, letters to draw from) one after the other."""
    rng = random.Random(seed)
    drawn = [rng.choice(letters) for count, letters in parts for _ in range(count)]
    return [one(i, passed=None, label=letter) for i, letter in enumerate(drawn)]


CASES = {
    "adwin": Case(
        DetectorSettings(type="adwin"),
        interleaved(verdicts([(400, 0.95), (300, 0.5)], 1), drifting_values(2), verdicts([(700, 0.9)], 3)),
    ),
    "conformal": Case(
        DetectorSettings(type="conformal"),
        interleaved(verdicts([(400, 0.95), (300, 0.5)], 1), drifting_values(2), verdicts([(700, 0.9)], 3)),
    ),
    "categories": Case(
        DetectorSettings(type="categories", options={"max_categories": 4}),
        interleaved(labels((400, "aaabbc"), (300, "abbbbd")), labels((700, "abcdefg"), seed=2)),
    ),
    "contract": Case(
        DetectorSettings(type="contract", options={"at_least": 0.8}),
        interleaved(verdicts([(400, 0.95), (300, 0.5)], 1), drifting_values(2), verdicts([(700, 0.9)], 3)),
    ),
    "page_hinkley": Case(
        DetectorSettings(type="page_hinkley", options={"threshold": 20}),
        interleaved(verdicts([(400, 0.95), (300, 0.5)], 1), drifting_values(2), verdicts([(700, 0.9)], 3)),
    ),
    "embedding": Case(
        DetectorSettings(type="embedding", options=TEXTS),
        interleaved(vectors([(150, 0.0), (250, 2.5)], seed=1), vectors([(300, 0.0), (100, -3.0)], seed=2)),
    ),
}


@pytest.fixture(params=sorted(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def bank(case: Case, rows: Sequence[StateRow] = ()) -> DetectorBank:
    (made,) = build_banks([case.settings])
    made.load(rows)
    return made


def outcome(found: Sequence[Detection], start: int) -> list[tuple[Any, ...]]:
    return [
        (start + d.index, d.changed_at, d.before, d.after, d.statistic, d.observations, d.explanation) for d in found
    ]


def run(case: Case, batches: Sequence[Sequence[Measurement]], restarts: random.Random | None = None):
    detector, rows, found, start = bank(case), {}, [], 0
    for batch in batches:
        found += outcome(detector.update(of_measurements(batch)), start)
        start += len(batch)
        if restarts and restarts.random() < 0.4:
            rows |= {row.key: row for row in detector.dirty()}
            detector = bank(case, [rows[key] for key in restarts.sample(sorted(rows), len(rows))])
    rows |= {row.key: row for row in detector.dirty()}
    return found, {key: row for key, row in rows.items() if row.state}  # an empty row is one that is no more


def test_every_shipped_type_is_here() -> None:
    assert sorted(CASES) == sorted(t.name for t in DETECTORS)


def test_it_finds_the_change(case: Case) -> None:
    found, _ = run(case, [case.stream])
    assert found
    assert all(d[6] for d in found)


@pytest.mark.parametrize("seed", range(3))
def test_cuts_and_restarts_change_nothing(case: Case, seed: int) -> None:
    whole = run(case, [case.stream])
    assert run(case, list(cut(case.stream, seed))) == whole
    assert run(case, list(cut(case.stream, seed)), random.Random(seed)) == whole


def test_detections_come_in_order_of_index(case: Case) -> None:
    indices = [d.index for d in bank(case).update(of_measurements(case.stream))]
    assert indices == sorted(indices)


def test_the_state_goes_through_storage_exactly(case: Case) -> None:
    for length in (1, 40, 150, len(case.stream)):
        detector = bank(case)
        detector.update(of_measurements(case.stream[:length]))
        rows = detector.dirty()
        again = bank(case, rows)
        assert again.dirty() == [], "loading makes nothing dirty"
        again.update(of_measurements(case.stream[:1]))
        detector.update(of_measurements(case.stream[:1]))
        assert again.dirty() == detector.dirty()


def test_only_what_changed_is_dirty(case: Case) -> None:
    detector = bank(case)
    detector.update(of_measurements(case.stream))
    assert {row.key.partition(PART)[0] for row in detector.dirty()} == {m.segment.key for m in case.stream}
    assert detector.dirty() == []
    detector.update(of_measurements(case.stream[:1]))
    assert [row.key for row in detector.dirty()] == [case.stream[0].segment.key]


GARBAGE = [
    one(0, passed=None),
    one(1, passed=None, outcome="failed"),
    one(2, passed=None, outcome="skipped", value=1.0, vector=(1.0,)),
    one(3, passed=None, vector=()),
    one(5, passed=None, value=math.nan, vector=(math.nan,) * 24),
    one(6, passed=None, value=math.inf, vector=(math.inf,) * 24),
    one(7, passed=None, value=-1e300, vector=(1e300,) * 24),
    one(8, passed=None, vector=(0.5,) * 23),
]


def test_garbage_moves_nothing(case: Case) -> None:
    garbage = [g.model_copy(update={"segment": inside("tool", f"t{i % 3}")}) for i, g in enumerate(GARBAGE * 3)]
    rng, dirtied = random.Random(4), []
    for m in case.stream:
        dirtied.append(m)
        if rng.random() < 0.02:
            dirtied.append(rng.choice(garbage))
    clean = [d[1:] for d in run(case, [case.stream])[0]]
    assert [d[1:] for d in run(case, [dirtied])[0]] == clean


def test_garbage_first_and_alone(case: Case) -> None:
    assert bank(case).update(of_measurements(GARBAGE * 20)) == []


def test_constant_observations_raise_nothing(case: Case) -> None:
    same = [one(i, value=0.25, vector=(0.5,) * 8) for i in range(1000)]
    assert bank(case).update(of_measurements(same)) == []


@pytest.mark.parametrize("damage", [b"", b"?", b"[]\n", b"[1]\nxx"])
def test_a_damaged_row_begins_afresh(case: Case, damage: bytes) -> None:
    detector = bank(case, [StateRow(case.settings.type, BASE.key, damage)])
    assert detector.dropped["detector_state"] == 1
    detector.update(of_measurements([m.model_copy(update={"segment": BASE}) for m in case.stream[:50]]))


def test_a_cut_row_begins_afresh(case: Case) -> None:
    detector = bank(case)
    detector.update(of_measurements(case.stream[:120]))
    row = detector.dirty()[0]
    assert bank(case, [StateRow(row.kind, row.key, row.state[:-1])]).dropped["detector_state"] == 1


def test_rows_of_another_kind_are_left_alone(case: Case) -> None:
    detector = bank(case, [StateRow("rule:x", BASE.key, b"?")])
    assert not detector.dropped


def test_only_the_named_evaluators_are_read(case: Case) -> None:
    settings = case.settings.model_copy(update={"evaluators": ("another",)})
    (detector,) = build_banks([settings])
    assert detector.update(of_measurements(case.stream)) == []
    assert detector.dirty() == []
