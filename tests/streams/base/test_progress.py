"""How far behind a reader says it is, in seconds."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP
from prometheus_client.parser import text_string_to_metric_families

from streams.base.progress import Progress
from streams.telemetry import Metrics

HERE = TP("p-traces", 0)


class Log:
    """One partition: `end` records are written, `position` is what was fetched."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.end, self.position, self.fetched, self.now = 100, 0, 0, 1_000_000.0
        self.held = {HERE}
        monkeypatch.setattr(time, "time", lambda: self.now)
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        consumer = SimpleNamespace(
            assignment=lambda: self.held,
            highwater=lambda tp: self.end,
            position_now=lambda tp: self.position,
            fetched_now=lambda tp: self.fetched,
            committed_now=lambda tp: 0,
            unacknowledged=3,  # chunks
        )
        self.progress = Progress("p-")
        self.progress.attach(SimpleNamespace(consumer=consumer, consumer_generation_id=1))

    def receive(self, next_offset: int, written: float) -> None:
        """A batch whose newest record was written then."""
        batch: Any = SimpleNamespace(
            topic="traces",
            partition=0,
            next_offset=next_offset,
            records=[SimpleNamespace(timestamp=written * 1000)],
        )
        self.position, self.fetched = next_offset, max(next_offset, self.fetched)
        self.progress.note(batch)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    return Log(monkeypatch)


def test_a_backlog_is_as_old_as_the_newest_record_that_was_received(log: Log) -> None:
    assert log.progress.lag_s(HERE) == 0, "nothing is known of what is there"
    log.receive(10, written=log.now - 500)
    assert log.progress.lag_s(HERE) == pytest.approx(500)
    log.now += 10
    assert log.progress.lag_s(HERE) == pytest.approx(510)
    log.receive(50, written=log.now - 100)
    assert log.progress.lag_s(HERE) == pytest.approx(100)


def test_a_record_after_a_long_rest_has_not_waited_all_that_time(log: Log) -> None:
    log.receive(100, written=log.now - 1)
    log.now += 3600
    assert log.progress.lag_s(HERE) == 0
    log.end, log.now = 101, log.now + 2
    assert log.progress.lag_s(HERE) == pytest.approx(2)


def test_clocks_of_producers_that_are_ahead_make_no_negative_lag(log: Log) -> None:
    log.receive(10, written=log.now + 3600)
    assert log.progress.lag_s(HERE) == 0


def test_the_end_that_the_broker_tells_counts_while_nothing_is_fetched(log: Log) -> None:
    log.receive(100, written=log.now - 5)
    assert (log.progress.lag(HERE), log.progress.behind(HERE)) == (0, 0)
    log.progress.ends = {HERE: 700}  # the buffers are full: the consumer does not know of it
    assert (log.progress.behind(HERE), log.progress.total_behind()) == (600, 600)
    assert log.progress.lag_s(HERE) == pytest.approx(5) and not log.progress.at_rest(("traces", 0))
    log.position = 700  # what is left are markers of transactions
    log.now += 2
    log.end = 700
    assert log.progress.behind(HERE) == 0 and log.progress.at_rest(("traces", 0))


def test_what_was_fetched_and_waits_in_a_buffer_is_behind(log: Log) -> None:
    log.position = log.fetched = 100
    assert log.progress.lag(HERE) == 100 and not log.progress.caught_up("traces", 0)
    log.receive(60, written=log.now - 5)
    log.position, log.now = 100, log.now + 60
    assert log.progress.lag(HERE) == 40, "however long the batch in hand takes"
    log.receive(100, written=log.now)
    assert log.progress.caught_up("traces", 0)


def test_what_was_received_is_in_hand_until_its_results_are_stored(log: Log) -> None:
    log.receive(100, written=log.now)
    log.now += 60
    assert log.progress.caught_up("traces", 0) and log.progress.in_hand() == 3
    log.held = set()
    assert log.progress.in_hand() == 0, "the partitions are somebody else's"


def test_gauges_are_of_the_partitions_held_now(log: Log) -> None:
    metrics = Metrics()
    metrics.observers.append(lambda: log.progress.observe(metrics))
    log.receive(10, written=log.now - 5)

    def shown() -> dict[str, float]:
        families = text_string_to_metric_families(metrics.exposition("")[0].decode())
        return {s.name: s.value for f in families for s in f.samples if s.labels.get("topic") == "traces"}

    assert shown() == {"evalstream_lag_records": 90, "evalstream_lag_seconds": pytest.approx(5)}
    log.held = set()
    assert shown() == {}
