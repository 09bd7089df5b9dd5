"""The log of a partition: what it keeps, what it finds, what it recovers."""

from __future__ import annotations

import random

import pytest

from streams.devbroker.codes import Code, Refusal
from streams.devbroker.segment import INDEX_INTERVAL_BYTES
from tests.streams.devbroker.batches import NOW_MS, batch, open_log, read_all, values

HOUR_MS = 3_600_000


def the_file(folder, index=-1):
    return sorted(folder.glob("0.*.log"))[index]


def test_a_tail_torn_at_any_byte_is_cut_and_what_was_before_is_kept(tmp_path):
    log = open_log(tmp_path)
    log.append(batch([b"first", b"second"]))
    whole = the_file(tmp_path).stat().st_size
    log.append(batch([b"third", b"fourth"]))
    content = the_file(tmp_path).read_bytes()
    for length in range(whole, len(content)):
        the_file(tmp_path).write_bytes(content[:length])
        recovered = open_log(tmp_path)
        assert read_all(recovered) == [(0, b"first"), (1, b"second")]
        assert the_file(tmp_path).stat().st_size == whole
        assert recovered.append(batch([b"new"])) == 2
        assert read_all(recovered)[-1] == (2, b"new")


def test_a_flipped_bit_anywhere_in_the_last_batch_cuts_it(tmp_path):
    log = open_log(tmp_path)
    log.append(batch([b"first"]))
    whole = the_file(tmp_path).stat().st_size
    log.append(batch([b"second"]))
    content = the_file(tmp_path).read_bytes()
    outside_the_checksum = range(whole + 12, whole + 16)  # the leader epoch
    for position in range(whole + 8, len(content)):
        if position in outside_the_checksum:
            continue
        broken = bytearray(content)
        broken[position] ^= 0x10
        the_file(tmp_path).write_bytes(broken)
        recovered = open_log(tmp_path)
        assert read_all(recovered) == [(0, b"first")], position
        assert recovered.end_offset == 1


def test_junk_after_the_last_batch_is_cut(tmp_path):
    open_log(tmp_path).append(batch([b"kept"]))
    with the_file(tmp_path).open("ab") as file:
        file.write(b"\0" * 500)
    assert read_all(open_log(tmp_path)) == [(0, b"kept")]


def test_every_offset_is_found_through_the_sparse_index(tmp_path):
    generator = random.Random(5)
    log = open_log(tmp_path, segment_bytes=200_000)
    wanted = []
    while len(wanted) < 3_000:
        sizes = generator.choices([10, 300, 5_000], weights=[10, 5, 1], k=generator.randint(1, 20))
        records = [b"%d:" % (len(wanted) + i) + b"x" * size for i, size in enumerate(sizes)]
        assert log.append(batch(records)) == len(wanted)
        wanted += records
    for opened in (log, open_log(tmp_path, segment_bytes=200_000)):
        for offset in range(0, len(wanted), 7):
            found = dict(values(opened.read(offset, 4_000)))
            assert found[offset] == wanted[offset]
        assert [value for _, value in read_all(opened)] == wanted
        for segment in opened._segments:
            assert len(segment._positions) <= segment.size / INDEX_INTERVAL_BYTES + 1


def test_a_read_returns_at_most_what_was_asked_for_but_always_one_batch(tmp_path):
    log = open_log(tmp_path)
    for _ in range(3):
        log.append(batch([b"x" * 1_000]))
    assert len(log.read(0, 2_500)) == 2_500
    assert values(log.read(1, 1)) == [(1, b"x" * 1_000)]
    assert log.read(3, 1_000) == b""
    for outside in (-1, 4):
        with pytest.raises(Refusal) as refusal:
            log.read(outside, 1)
        assert refusal.value.code is Code.OFFSET_OUT_OF_RANGE


def test_retention_by_size_drops_whole_old_segments(tmp_path):
    log = open_log(tmp_path, segment_bytes=3_500, retention_bytes=5_000)
    for index in range(12):  # three a segment
        log.append(batch([b"%d" % index + b"x" * 1_000]))
    log.retain(NOW_MS)
    assert (log.start_offset, log.end_offset) == (6, 12)
    assert log.size >= 5_000
    with pytest.raises(Refusal):
        log.read(5, 1)
    assert [offset for offset, _ in read_all(log)] == list(range(6, 12))
    again = open_log(tmp_path, segment_bytes=3_500, retention_bytes=5_000)
    assert (again.start_offset, again.end_offset) == (6, 12)


def test_retention_by_time_drops_the_last_segment_too_and_offsets_go_on(tmp_path):
    log = open_log(tmp_path, segment_bytes=3_500, retention_ms=HOUR_MS)
    for hours_ago in (5, 4, 3, 2):
        for _ in range(3):
            log.append(batch([b"x" * 1_000], timestamp=NOW_MS - hours_ago * HOUR_MS))
    log.retain(NOW_MS - int(2.5 * HOUR_MS))
    assert log.start_offset == 6
    log.retain(NOW_MS)
    assert (log.start_offset, log.end_offset, log.size) == (12, 12, 0)
    for _ in range(2):
        log = open_log(tmp_path, retention_ms=HOUR_MS)
        assert (log.start_offset, log.end_offset) == (12, 12)
    assert log.append(batch([b"new"])) == 12
    log.retain(NOW_MS)
    assert read_all(log) == [(12, b"new")]


def test_an_old_segment_that_still_grows_is_closed_in_time(tmp_path):
    log = open_log(tmp_path, segment_ms=HOUR_MS, retention_ms=2 * HOUR_MS)
    log.append(batch([b"old"], timestamp=NOW_MS - 3 * HOUR_MS))
    log.append(batch([b"new"], timestamp=NOW_MS))
    log.retain(NOW_MS)
    log.append(batch([b"newer"], timestamp=NOW_MS))
    assert len(list(tmp_path.glob("0.*.log"))) == 2


def test_nothing_is_dropped_without_limits(tmp_path):
    log = open_log(tmp_path, segment_bytes=1_500, retention_ms=-1, retention_bytes=-1)
    for _ in range(5):
        log.append(batch([b"x" * 1_000], timestamp=1))
    log.retain(NOW_MS)
    assert (log.start_offset, log.end_offset) == (0, 5)


def test_finding_a_time(tmp_path):
    log = open_log(tmp_path, segment_bytes=50_000)
    for index in range(300):
        log.append(batch([b"x" * 500] * 3, timestamp=1_000 + 10 * index))
    for opened in (log, open_log(tmp_path, segment_bytes=50_000)):
        assert opened.find_time(0) == (0, 1_000)
        for index in range(0, 300, 17):
            assert opened.find_time(1_000 + 10 * index) == (3 * index, 1_000 + 10 * index)
            assert opened.find_time(1_000 + 10 * index + 2) == (3 * index + 2, 1_000 + 10 * index + 2)
        assert opened.find_time(1_000 + 2_993) is None
        assert opened.max_timestamp() == (899, 3_992)


def test_finding_a_time_when_timestamps_are_not_in_order(tmp_path):
    log = open_log(tmp_path)
    for timestamp in (100, 900, 200, 300):
        log.append(batch([b"x" * 20_000], timestamp=timestamp))
    assert log.find_time(150) == (1, 900)
    assert log.find_time(901) is None
    log.delete_before(2)
    assert log.find_time(150) == (2, 200)


def test_deleting_records_moves_the_start(tmp_path):
    log = open_log(tmp_path, segment_bytes=1_500)
    for _ in range(6):
        log.append(batch([b"x" * 1_000]))
    log.delete_before(3)
    assert log.start_offset == 3
    assert len(list(tmp_path.glob("0.*.log"))) == 3
    log.delete_before(1)
    assert log.start_offset == 3
    log.delete_before(99)
    assert (log.start_offset, log.end_offset) == (6, 6)


@pytest.mark.parametrize(
    ("records", "code"),
    [
        pytest.param(b"", Code.CORRUPT_MESSAGE, id="nothing"),
        pytest.param(batch([b"x"])[:-1], Code.INVALID_RECORD, id="cut"),
        pytest.param(batch([b"x"]) * 2, Code.INVALID_RECORD, id="two batches"),
        pytest.param(batch([b"x"])[:-1] + b"!", Code.CORRUPT_MESSAGE, id="bad checksum"),
        pytest.param(b"\0" * 61, Code.UNSUPPORTED_FOR_MESSAGE_FORMAT, id="old format"),
        pytest.param(batch([b"x" * 10_000]), Code.MESSAGE_TOO_LARGE, id="too large"),
        pytest.param(batch([b"x"], transactional=True), Code.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, id="transactional"),
    ],
)
def test_batches_that_are_refused(tmp_path, records, code):
    log = open_log(tmp_path, max_message_bytes=5_000)
    with pytest.raises(Refusal) as refusal:
        log.append(records)
    assert refusal.value.code is code
    assert log.end_offset == 0


def test_a_full_disk_refuses_the_batch_and_leaves_the_log_as_it_was(tmp_path, file_size_limit):
    log = open_log(tmp_path)
    log.append(batch([b"x" * 1_000]))
    with file_size_limit(1_500), pytest.raises(Refusal) as refusal:
        log.append(batch([b"y" * 1_000]))
    assert refusal.value.code is Code.KAFKA_STORAGE_ERROR
    assert log.append(batch([b"z"])) == 1
    for opened in (log, open_log(tmp_path)):
        assert read_all(opened) == [(0, b"x" * 1_000), (1, b"z")]
