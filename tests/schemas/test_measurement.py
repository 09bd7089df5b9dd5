"""Columns of measurements: what comes back is what went in, and what does not fit together is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from schemas.errors import InvalidRecord
from schemas.measurement import Measurement, MeasurementBatch, Positioned, Segment, in_columns

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


def test_what_goes_in_comes_out() -> None:
    made = [
        Positioned(
            offset,
            Measurement(
                segment=Segment(
                    project="p/q", evaluator="polite", dimension="tool", dimension_value=f"tool {offset % 2}"
                ),
                trace_id=f"t{offset}",
                value=offset / 8,
                passed=offset > 3,
                event_time=datetime(2026, 1, 1, tzinfo=UTC),
                vector=(0.5, -0.25) if offset == 2 else None,
            ),
        )
        for offset in range(6)
    ]
    batches = in_columns(made, topic="traces", partition=3, epoch=1, partition_count=4)
    read = [item for batch in batches.values() for item in MeasurementBatch.from_bytes(batch.to_bytes()).items()]
    assert sorted(read) == made


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
        {"vectors": {"0": "AA=="}},
    ],
    ids=str,
)
def test_columns_that_do_not_fit_together_are_refused(wrong: dict[str, Any]) -> None:
    assert len(list(MeasurementBatch.from_bytes(orjson.dumps(GOOD)).items())) == 1
    with pytest.raises(InvalidRecord) as refused:
        MeasurementBatch.from_bytes(orjson.dumps({**GOOD, **wrong}))
    assert refused.value.reason == "wrong_type"


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "NaN"])
def test_numbers_that_are_none_are_refused(number: str) -> None:
    body = orjson.dumps(GOOD).replace(b'"value":[1.0]', b'"value":[%s]' % number.encode())
    with pytest.raises(InvalidRecord):
        MeasurementBatch.from_bytes(body)
