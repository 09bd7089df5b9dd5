"""Batches as the dev broker takes and keeps them: opaque but for their headers."""

from __future__ import annotations

from collections.abc import Iterator

from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from streams.devbroker.codes import Code, Refusal
from streams.kafka.inflation import without_bombs
from streams.kafka.record_batch import CHECKED_FROM, CONTROL, HEADER, LENGTH_END, TRANSACTIONAL, BatchHeader, parse

INFLATED_BYTES = 64 * 2**20


def check_produced(records: bytes, max_bytes: int) -> BatchHeader:
    """Check what a producer sent for one partition: exactly one whole, sound, plain batch.

    Raises
    ------
    Refusal : with the code that Kafka answers in the same case.
    """
    if len(records) < HEADER.size:
        raise Refusal(Code.CORRUPT_MESSAGE, f"a batch has at least {HEADER.size} bytes, got {len(records)}")
    batch = parse(records)
    if batch.magic != 2:
        raise Refusal(Code.UNSUPPORTED_FOR_MESSAGE_FORMAT, f"message format {batch.magic}: only 2 is kept here")
    if batch.size > max_bytes:
        raise Refusal(Code.MESSAGE_TOO_LARGE, f"a batch of {batch.size} bytes is over max.message.bytes = {max_bytes}")
    if batch.size != len(records):
        raise Refusal(Code.INVALID_RECORD, f"expected one batch of {batch.size} bytes, got {len(records)} bytes")
    if not _sound(memoryview(records), batch):
        raise Refusal(Code.CORRUPT_MESSAGE, "the checksum does not match")
    if batch.record_count < 1 or batch.last_offset_delta != batch.record_count - 1:
        raise Refusal(Code.INVALID_RECORD, f"{batch.record_count} records with offsets 0 to {batch.last_offset_delta}")
    if batch.attributes & (TRANSACTIONAL | CONTROL):
        raise Refusal(Code.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "the dev broker keeps no transactions")
    return batch


def walk(data: memoryview, *, checksums: bool) -> Iterator[tuple[int, BatchHeader]]:
    """Yield (position, header) of each whole batch; stop at the first that is cut, disordered or, if asked, corrupt."""
    position, expected = 0, 0
    while position + HEADER.size <= len(data):
        batch = parse(data, position)
        whole = batch.length >= HEADER.size - LENGTH_END and position + batch.size <= len(data)
        if not whole or batch.magic != 2 or batch.base_offset < expected or batch.last_offset_delta < 0:
            return
        if checksums and not _sound(data[position : position + batch.size], batch):
            return
        yield position, batch
        position, expected = position + batch.size, batch.next_offset


def first_record_since(data: bytes, timestamp: int, from_offset: int) -> tuple[int, int] | None:
    """Offset and timestamp of the batch's first record at `from_offset` or later that is not before `timestamp` (ms)."""
    batch = MemoryRecords(without_bombs(data, INFLATED_BYTES)).next_batch()
    for record in batch if batch is not None else ():
        if record.timestamp >= timestamp and record.offset >= from_offset:
            return record.offset, record.timestamp
    return None


def _sound(data: memoryview, batch: BatchHeader) -> bool:
    return calc_crc32c(data[CHECKED_FROM:]) == batch.crc  # type: ignore[arg-type]
