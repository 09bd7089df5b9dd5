"""Batches that grow when they are inflated, as they come from a broker."""

from __future__ import annotations

import os
from typing import Any

import pytest
from aiokafka.record.memory_records import MemoryRecords

from streams.kafka.inflation import SAID, refusal, without_bombs
from streams.kafka.record_batch import BASE_OFFSET, HEADER
from tests.streams.devbroker.batches import batch

MOST = 2**20
CODECS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
HEADER_AND_RECORD = 20  # what a record adds to its value, at most


def at(offset: int, data: bytes) -> bytes:
    """A batch where the broker has put it."""
    return BASE_OFFSET.pack(offset) + data[BASE_OFFSET.size :]


def read(data: bytes | None) -> list[Any]:
    """What aiokafka makes of it."""
    records, found = MemoryRecords(data), []
    while records.has_next():
        one = records.next_batch()
        assert one.validate_crc()
        found += list(one)
    return found


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_a_bomb_becomes_one_record_that_says_so(codec: int) -> None:
    good = batch([b"{}", os.urandom(1000)], compression=codec)
    bomb = batch([b"", bytes(8 * MOST), b""], compression=codec, producer=(7, 1, 5), transactional=True)
    data = at(10, good) + at(12, bomb) + at(15, good)
    assert without_bombs(data, 64 * MOST) is data
    before, _, refused, after, _ = read(without_bombs(data, MOST))
    assert (before.offset, before.value, refused.offset, after.offset) == (10, b"{}", 14, 15)
    error = refusal(refused)
    assert error is not None and error.reason == "inflates" and "3 records" in error.detail and "(1 MB)" in error.detail
    assert refusal(before) is None


def test_its_place_in_transactions_is_kept() -> None:
    bomb = batch([bytes(2 * MOST)], compression=4, producer=(7, 1, 5), transactional=True)
    found = MemoryRecords(without_bombs(at(3, bomb), MOST)).next_batch()
    assert (found.producer_id, found.is_transactional, found.base_offset, found.next_offset) == (7, True, 3, 4)


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_the_limit_is_that_of_the_whole_batch(codec: int) -> None:
    fits = batch([os.urandom(MOST // 4)] * 3 + [os.urandom(MOST // 4 - 4 * HEADER_AND_RECORD)], compression=codec)
    assert without_bombs(fits, MOST) is fits
    assert len(read(without_bombs(batch([bytes(MOST // 4)] * 4, compression=codec), MOST))) == 1


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@pytest.mark.parametrize("cut", [0, 10, 500])
def test_what_cannot_be_inflated_is_passed_over_as_well(codec: int, cut: int) -> None:
    whole = batch([os.urandom(1000)], compression=codec)
    payload = os.urandom(900) if not cut else whole[HEADER.size : HEADER.size + cut]
    broken = bytearray(whole[: HEADER.size] + payload)
    broken[8:12] = (len(broken) - 12).to_bytes(4, "big")
    (refused,) = read(without_bombs(bytes(broken), MOST))
    error = refusal(refused)
    assert error is not None and error.detail


def test_plain_batches_and_what_is_cut_off_are_left_alone() -> None:
    data = batch([bytes(2 * MOST)]) + batch([b"x"], compression=1)[:-5]
    assert without_bombs(data, MOST) is data
    for nothing in (b"", None, b"short"):
        assert without_bombs(nothing, MOST) == nothing


def test_a_record_may_have_any_header() -> None:
    (record,) = read(batch([b"\xff"]))
    assert refusal(record) is None
    assert SAID not in dict(record.headers)
