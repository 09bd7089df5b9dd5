"""Columns of measurements: what comes back is what went in, and what does not fit together is refused."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from schemas.errors import InvalidRecord
from schemas.measurement import MeasurementBatch, Segment

GOOD: dict[str, Any] = {
    "source_topic": "traces",
    "source_partition": 0,
    "partition_count": 4,
    "segments": [{"evaluator": "polite"}],
    "traces": ["t"],
    "segment": [0],
    "trace": [0],
    "outcome": ["scored"],
    "value": [1.0],
    "passed": [True],
    "time": [1_767_225_600.0],
    "inclusion": [1.0],
    "offset": [1],
}


@pytest.mark.parametrize(
    "segment",
    [
        Segment(evaluator="polite"),
        Segment(project="p/q", environment="50%", evaluator="a%2Fb", dimension="tool", dimension_value="x=y/z%"),
        Segment(project="p", evaluator="e", dimension="tool", dimension_value=""),
    ],
)
def test_a_key_says_all_of_its_segment(segment: Segment) -> None:
    assert Segment.of_key(segment.key) == segment


def test_records_without_labels_are_those_of_workers_that_know_none() -> None:
    read = MeasurementBatch.from_bytes(orjson.dumps(GOOD))
    assert (read.labels, read.label) == ((), ())
    assert b"label" not in read.to_bytes()


@pytest.mark.parametrize(
    "wrong",
    [
        {"value": [1.0, 2.0]},
        {"passed": []},
        {"segment": [1]},
        {"segment": [-1]},
        {"trace": [7]},
        {"time": [1e18]},
        {"inclusion": [0.0]},
        {"inclusion": [1.5]},
        {"offset": [2**63]},
        {"offset": [-1]},
        {"source_partition": 2**40},
        {"source_topic": "a\x00"},
        {"traces": ["a\x00"]},
        {"segments": [{"evaluator": "x" * 1_000}]},
        {"vectors": {"0": "!!!"}},
        {"labels": ["a"], "label": [0, 0]},
        {"labels": ["a"], "label": [1]},
        {"labels": ["a\x00"], "label": [0]},
        {"vectors": {"0": "AA=="}},
    ],
    ids=str,
)
def test_columns_that_do_not_fit_together_are_refused(wrong: dict[str, Any]) -> None:
    assert len(MeasurementBatch.from_bytes(orjson.dumps(GOOD)).segment) == 1
    with pytest.raises(InvalidRecord) as refused:
        MeasurementBatch.from_bytes(orjson.dumps({**GOOD, **wrong}))
    assert refused.value.reason == "wrong_type"


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "NaN"])
def test_numbers_that_are_none_are_refused(number: str) -> None:
    body = orjson.dumps(GOOD).replace(b'"value":[1.0]', b'"value":[%s]' % number.encode())
    with pytest.raises(InvalidRecord):
        MeasurementBatch.from_bytes(body)
