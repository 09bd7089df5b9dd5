"""Columns: the way over the topic changes nothing, tables are shared, rows are chosen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from drift.observations import of_columns, of_measurements, selected
from drift.protocol import Observations
from drift.table import Lookup, SegmentTable
from schemas.measurement import Measurement, MeasurementBatch, Positioned, in_columns
from tests.drift.streams import inside, mixed


def told(given: Observations) -> list[tuple[object, ...]]:
    """All that columns say, independent of how their tables are numbered."""
    every = np.arange(len(given))
    return [
        (
            given.segments[row.segment].key,
            *(repr(column) for column in row[2:-1]),
            None if row.vector is None else row.vector.tobytes(),
        )
        for row in given.rows(every)
    ]


def labelled(count: int) -> list[Measurement]:
    return [
        m.model_copy(update={"label": (None, "refused", "answered")[i % 3], "vector": m.vector if i % 2 else None})
        for i, m in enumerate(mixed(count))
    ]


def over_the_topic(measurements: list[Measurement]) -> list[MeasurementBatch]:
    items = [Positioned(i, m) for i, m in enumerate(measurements)]
    made = in_columns(items, topic="traces", partition=3, epoch=1, partition_count=1)
    return [MeasurementBatch.from_bytes(batch.to_bytes()) for batch in made.values()]


def test_the_way_over_the_topic_changes_nothing() -> None:
    stream = labelled(60)
    parts = [*over_the_topic(stream[:25]), *over_the_topic(stream[25:])]
    read = of_columns((batch, range(len(batch.segment))) for batch in parts)
    assert told(read) == told(of_measurements(stream))


def test_of_records_only_the_chosen_rows_are_read() -> None:
    stream = labelled(20)
    (batch,) = over_the_topic(stream)
    assert told(of_columns([(batch, range(7, 20))])) == told(of_measurements(stream[7:]))


def test_rows_are_chosen_with_their_vectors() -> None:
    stream = labelled(30)
    keep = np.array([i % 4 == 1 for i in range(30)])
    chosen = [m for m, kept in zip(stream, keep, strict=True) if kept]
    assert told(selected(of_measurements(stream), keep)) == told(of_measurements(chosen))


def test_nothing_is_no_observation() -> None:
    assert len(of_measurements([])) == 0
    assert told(of_columns([])) == []


@pytest.mark.parametrize("shared", [True, False])
def test_a_segment_is_looked_up_once_in_order_of_appearance(shared: bool) -> None:
    asked: list[str] = []

    def find(table: SegmentTable, numbers: Sequence[int]) -> list[int]:
        asked.extend(table.key(number) for number in numbers)
        return [int(table[number].dimension_value or 0) for number in numbers]

    lookup, table = Lookup(find), SegmentTable()
    for values in ([3, 1, 3], [2, 1], list(range(40))):
        if not shared:
            table = SegmentTable()
        numbers = np.array([table.add(inside("n", str(v)).key) for v in values], dtype=np.int32)
        assert lookup.of(table, numbers).tolist() == values
    again = [3, 1, 2, *(v for v in range(40) if v not in (1, 2, 3))]
    everything = [3, 1, 2, 1, *range(40)]
    assert asked == [inside("n", str(v)).key for v in (again if shared else everything)]
