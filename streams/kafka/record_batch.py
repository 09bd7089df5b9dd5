"""Record batches of message format 2, the unit that producers send, the log stores and consumers fetch: their header.

Source: https://kafka.apache.org/documentation/#recordbatch
"""

from __future__ import annotations

import struct
from typing import NamedTuple

HEADER = struct.Struct(">qiibIhiqqqhii")
BASE_OFFSET = struct.Struct(">q")
PREFIX = struct.Struct(">qii")  # base offset, length, leader epoch: what the broker fills in, outside the checksum
LENGTH_END = 12  # bytes up to the end of the length field, which the length does not count
CHECKED_FROM = 21  # the checksum covers everything from the attributes on
COMPRESSION, TRANSACTIONAL, CONTROL = 0x07, 0x10, 0x20  # bits of the attributes


class BatchHeader(NamedTuple):
    """In wire order."""

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


def parse(data: bytes | memoryview, position: int = 0) -> BatchHeader:
    """Read the header at `position`; `struct.error` when fewer than 61 bytes are left."""
    return BatchHeader._make(HEADER.unpack_from(data, position))
