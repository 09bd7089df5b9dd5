"""Record batches of message format 2, the unit that producers send, the log stores and consumers fetch.

A batch is opaque here but for its header of 61 bytes. Source: https://kafka.apache.org/documentation/#recordbatch
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from streams.devbroker.codes import Code, Refusal

HEADER = struct.Struct(">qiibIhiqqqhii")
PREFIX = struct.Struct(">qii")  # base offset, length, leader epoch: what the broker fills in, outside the checksum
LENGTH_END = 12  # bytes up to the end of the length field, which the length does not count
CHECKED_FROM = 21  # the checksum covers everything from the attributes on
TRANSACTIONAL, CONTROL = 0x10, 0x20


class Batch(NamedTuple):
    """The header of one batch, in wire order."""

    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size(self) -> int:
        """Bytes of the whole batch."""
        return self.length + LENGTH_END

    @property
    def next_offset(self) -> int:
        return self.base_offset + self.last_offset_delta + 1


def parse(data: bytes | memoryview, position: int = 0) -> Batch:
    """Read the header at `position`; `struct.error` when fewer than 61 bytes are left."""
    return Batch._make(HEADER.unpack_from(data, position))


def check_produced(records: bytes, max_bytes: int) -> Batch:
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


def walk(data: memoryview, *, checksums: bool) -> Iterator[tuple[int, Batch]]:
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
    batch = MemoryRecords(data).next_batch()
    for record in batch if batch is not None else ():
        if record.timestamp >= timestamp and record.offset >= from_offset:
            return record.offset, record.timestamp
    return None


def _sound(data: memoryview, batch: Batch) -> bool:
    return calc_crc32c(data[CHECKED_FROM:]) == batch.crc  # type: ignore[arg-type]
