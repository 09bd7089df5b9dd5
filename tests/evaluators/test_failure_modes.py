"""`presets: [failure_modes]` on the example runs: each fault is found at its step, and healthy runs stay quiet."""

from __future__ import annotations

import pytest

from tests.benchmarks.failure_modes import MAX_FALSE_ALARMS, MIN_RECALL, build, cost_ms, load, measure, measure_baseline
from tests.schemas.recorded import SHARED

MAX_MS_ON_A_BUSY_MACHINE = 5.0


@pytest.fixture(scope="module")
def data():  # type: ignore[no-untyped-def]
    return load("report")


@pytest.mark.parametrize("learned", ["clean first", "faults alone"])
def test_recall_with_the_right_span_and_false_alarms(data, learned) -> None:  # type: ignore[no-untyped-def]
    result = measure(data, build(), learned)
    total = data.faults_reported
    assert len(total) == 13
    for fault, number in total.items():
        if fault == "empty_payload" and not SHARED.is_dir():
            continue  # in the examples half of them are answers of a tool that never answers otherwise
        assert result.hits[fault] / number >= MIN_RECALL, fault
    spans = sum(len(trace.spans) for trace in data.clean_reported)
    assert 1000 * result.false_alarms.total() / spans <= MAX_FALSE_ALARMS, result.false_alarms


def test_no_baseline_does_as_well(data) -> None:  # type: ignore[no-untyped-def]
    best = measure(data, build()).hits.total()
    for name in ('regex "error"', "last shape", "previous call", "half the time"):
        assert measure_baseline(data, name)[0].total() < best, name


def test_cost(data) -> None:  # type: ignore[no-untyped-def]
    found = cost_ms(build(), data.clean[:10])
    assert found[len(found) // 2] < MAX_MS_ON_A_BUSY_MACHINE
