"""Measurements counted once: for each source partition the offset up to which it was counted.

Measurements of one source partition arrive in the order of its offsets, and those of one offset together in one record,
so what lies at or below the position is a repetition.
"""

from __future__ import annotations

from schemas.measurement import MeasurementBatch

SourcePlace = tuple[str, int, int]
"""(source topic, source partition, source epoch)"""


def place_of(batch: MeasurementBatch) -> SourcePlace:
    """The source partition that a record's measurements come from."""
    return batch.source_topic, batch.source_partition, batch.source_epoch


def first_fresh(batch: MeasurementBatch, positions: dict[SourcePlace, int]) -> int:
    """The index of the first measurement that was not counted yet (the length when all were); moves the position on."""
    place = place_of(batch)
    counted = positions.get(place, -1)
    positions[place] = max(counted, last_offset(batch))
    return next((i for i, offset in enumerate(batch.offset) if offset > counted), len(batch.offset))


def last_offset(batch: MeasurementBatch) -> int:
    """The source position that a record reaches."""
    measured = batch.offset[-1] if batch.offset else -1
    return max(measured, batch.features.last_offset if batch.features is not None else -1)
