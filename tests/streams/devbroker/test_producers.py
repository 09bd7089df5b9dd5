"""Idempotent producers: repeats are recognised, gaps and old epochs refused, also after a restart."""

from __future__ import annotations

import pytest

from streams.devbroker.codes import Code, Refusal
from streams.devbroker.producers import REMEMBERED_PRODUCERS
from tests.streams.devbroker.batches import batch, open_log, read_all


@pytest.fixture(params=["running", "restarted"])
def again(request, tmp_path):
    """The same log, or the log after a restart."""
    return (lambda log: log) if request.param == "running" else (lambda log: open_log(tmp_path))


def test_a_repeated_batch_is_written_once_and_answered_with_its_offset(tmp_path, again):
    log = open_log(tmp_path)
    for sequence in range(0, 10, 2):
        log.append(batch([b"a", b"b"], producer=(7, 0, sequence)))
    log = again(log)
    for sequence in range(0, 10, 2):
        assert log.append(batch([b"a", b"b"], producer=(7, 0, sequence))) == sequence
    assert log.end_offset == 10
    assert log.append(batch([b"c"], producer=(7, 0, 10))) == 10


def test_a_gap_is_refused(tmp_path, again):
    log = open_log(tmp_path)
    log.append(batch([b"a", b"b"], producer=(7, 0, 0)))
    log = again(log)
    for wrong in (1, 3):
        with pytest.raises(Refusal) as refusal:
            log.append(batch([b"c"], producer=(7, 0, wrong)))
        assert refusal.value.code is Code.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert log.append(batch([b"c"], producer=(7, 0, 2))) == 2


def test_a_new_epoch_starts_at_zero_and_ends_the_old_one(tmp_path, again):
    log = open_log(tmp_path)
    log.append(batch([b"a"], producer=(7, 0, 0)))
    with pytest.raises(Refusal) as refusal:
        log.append(batch([b"b"], producer=(7, 1, 1)))
    assert refusal.value.code is Code.OUT_OF_ORDER_SEQUENCE_NUMBER
    log.append(batch([b"b"], producer=(7, 1, 0)))
    with pytest.raises(Refusal) as refusal:
        again(log).append(batch([b"c"], producer=(7, 0, 1)))
    assert refusal.value.code is Code.INVALID_PRODUCER_EPOCH


def test_producers_do_not_disturb_each_other(tmp_path, again):
    log = open_log(tmp_path)
    for sequence in range(3):
        for producer in (1, 2):
            log.append(batch([b"%d" % producer], producer=(producer, 0, sequence)))
        log.append(batch([b"plain"]))
    log = again(log)
    assert log.append(batch([b"1"], producer=(1, 0, 2))) == 6
    assert [value for _, value in read_all(log)] == [b"1", b"2", b"plain"] * 3


def test_sequences_wrap(tmp_path, again):
    log = open_log(tmp_path)
    last = 2**31 - 1
    log.append(batch([b"a", b"b"], producer=(7, 0, last - 1)))
    log = again(log)
    assert log.append(batch([b"c"], producer=(7, 0, 0))) == 2
    assert log.append(batch([b"a", b"b"], producer=(7, 0, last - 1))) == 0


def test_memory_of_producers_is_bounded(tmp_path):
    log = open_log(tmp_path)
    for producer in range(REMEMBERED_PRODUCERS + 10):
        log.append(batch([b"x"], producer=(producer, 0, 0)))
    assert len(log._producers._producers) == REMEMBERED_PRODUCERS
    assert log.append(batch([b"x"], producer=(REMEMBERED_PRODUCERS, 0, 0))) == REMEMBERED_PRODUCERS
