"""`evalstream reconcile`: nothing missing on a healthy run, and every planted loss found, by name."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from schemas.measurement import MeasurementBatch
from schemas.settings import Topics
from tests.e2e.conftest import MakeStack
from tests.e2e.hostile import Hostile
from tests.e2e.raw_kafka import read_all, write
from tests.e2e.stack import Stack

PARTITIONS = 4


def reconcile(stack: Stack, *arguments: str) -> tuple[dict[str, list[dict[str, Any]]], dict[str, Any]]:
    """Missing items by reason, and the summary."""
    *missing, last = stack.cli("reconcile", *arguments, check=False)
    by_reason: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in missing:
        by_reason[item["reason"]].append(item)
    summary: dict[str, Any] = last["summary"]
    assert summary["missing"] == len(missing)
    return dict(by_reason), summary


@pytest.mark.timeout(600)
async def test_every_planted_loss_is_found(new_stack: MakeStack, airline: Path) -> None:
    stack = new_stack()
    stack.start_judge()
    stack.start()
    stack.ready()
    await write(stack, [Hostile("garbage", topic, b"\xff garbage") for topic in (Topics.OTLP_SPANS, Topics.TRACES)])
    stack.cli("feedback", "some-trace", "--score", "0.5")
    stack.publish(airline)
    stack.settle()
    missing, summary = reconcile(stack)
    assert missing == {}, missing
    checks = summary["checks"]
    assert checks["records"] == {"dead_letter": 2} and checks["feedback"] == {"stored": 1}
    assert all(set(checks[name]) == {"stored"} for name in ("spans", "decisions", "verdicts", "measurements")), checks
    assert checks["measurements"]["stored"] > 500
    stack.stop()

    span = _deleted(stack, "spans", "span_id = (SELECT min(span_id) FROM spans)", ("trace_id", "span_id"))
    score = _deleted(stack, "scores", "evaluator = 'short_answer'", ("trace_id", "evaluator"))
    verdict = _deleted(stack, "scores", "evaluator = 'helpful'", ("trace_id", "evaluator"))
    letter = _deleted(stack, "dead_letters", "source_topic = 'traces'", ("source_partition", "source_offset"))
    [(human,)] = [_deleted(stack, "scores", "kind = 'human'", ("trace_id",))]
    missing, summary = reconcile(stack)
    found = {reason: [tuple(map(item.get, _WHAT[reason])) for item in items] for reason, items in missing.items()}
    assert found == {
        "span_lost": [span],
        "decision_lost": [score],
        "verdict_lost": [verdict],
        "record_lost": [letter],
        "feedback_lost": [(human,)],
    }
    assert summary["missing"] == 5


_WHAT = {
    "span_lost": ("trace_id", "span_id"),
    "decision_lost": ("trace_id", "evaluator"),
    "verdict_lost": ("trace_id", "evaluator"),
    "record_lost": ("partition", "offset"),
    "feedback_lost": ("trace_id",),
}


def _deleted(stack: Stack, table: str, where: str, columns: tuple[str, ...]) -> tuple[Any, ...]:
    """Delete one row; what it was."""
    keys = {"spans": "digest", "scores": "score_id", "dead_letters": "letter_id"}
    [(key, *values)] = stack.sql(f"SELECT {keys[table]}, {', '.join(columns)} FROM {table} WHERE {where} LIMIT 1")
    with stack.warehouse.database.write() as connection:
        connection.exec_driver_sql(f"DELETE FROM {table} WHERE {keys[table]} = '{key}'")
    return tuple(values)


@pytest.mark.timeout(600)
async def test_measurements_that_are_lost_or_come_twice(new_stack: MakeStack, airline: Path) -> None:
    stack = new_stack()
    stack.start_judge()
    stack.start()
    stack.ready()
    stack.publish(airline)
    stack.settle()
    stack.stop()
    records = await read_all(stack, Topics.MEASUREMENTS)
    telling = [record for record in records if _measured(record)]
    dropped, twice = telling[0], telling[-1]
    await _make_again(stack, [r for r in records if r is not dropped] + [_moved_on(twice)])
    missing, _ = reconcile(stack)
    assert _pairs(missing.pop("measurement_lost")) == _measured(dropped)
    assert _pairs(missing.pop("measured_twice")) == _measured(twice)
    assert set(missing) <= {"count_differs"}, "the monitor has counted what was then dropped"
    with stack.warehouse.database.write() as connection:
        connection.exec_driver_sql('UPDATE monitor_positions SET "offset" = 0')
    await _make_again(stack, records)
    stack.start("monitor")
    stack.until(lambda: "not_counted" in reconcile(stack)[0] or "count_differs" in reconcile(stack)[0], "not found")


@pytest.mark.timeout(600)
async def test_what_waits_is_in_flight_and_what_does_not_is_lost(new_stack: MakeStack, airline: Path) -> None:
    """Without a judge its questions wait in the log; when the log is made again empty, they do not."""
    stack = new_stack()
    stack.start("assemble", "evaluate", "monitor")
    stack.ready(("assemble", "evaluate", "monitor"))
    stack.publish(airline)
    stack.settle(("assemble", "evaluate", "monitor"))
    missing, summary = reconcile(stack)
    assert missing == {} and summary["checks"]["verdicts"]["in_flight"] > 10
    await _make_again(stack, [], Topics.JUDGE_REQUESTS)
    missing, _ = reconcile(stack)
    assert set(missing) == {"request_lost"}
    assert {item["evaluator"] for item in missing["request_lost"]} == {"helpful"}
    nothing, summary = reconcile(stack, "--from", "2100-01-01")
    assert nothing == {} and summary["checks"] == {}


async def _make_again(stack: Stack, records: list[Any], topic: str = Topics.MEASUREMENTS) -> None:
    """Delete a topic, make it again, and write `records` where they were."""
    name = stack.prefix + topic
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.bootstrap_servers)
    await admin.start()
    await admin.delete_topics([name])
    while name in await admin.list_topics():  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    await admin.create_topics([NewTopic(name, PARTITIONS, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap_servers)
    await producer.start()
    for record in records:
        await producer.send_and_wait(name, record.value, partition=record.partition, timestamp_ms=record.timestamp)
    await producer.stop()


def _moved_on(record: Any) -> Any:
    """The same measurements, as if later records of their source had made them."""
    batch = MeasurementBatch.from_bytes(record.value)
    later = batch.model_copy(update={"offset": tuple(offset + 1_000_000 for offset in batch.offset)})
    return _Record(later.to_bytes(), record.partition, record.timestamp)


class _Record:
    def __init__(self, value: bytes, partition: int, timestamp: int) -> None:
        self.value, self.partition, self.timestamp = value, partition, timestamp


def _measured(record: Any) -> set[tuple[str, str]]:
    batch = MeasurementBatch.from_bytes(record.value)
    rows = zip(batch.segment, batch.trace, batch.outcome, strict=True)
    return {
        (batch.traces[trace], batch.segments[segment].evaluator)
        for segment, trace, outcome in rows
        if batch.segments[segment].dimension is None and outcome == "scored"
    }


def _pairs(items: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(item["trace_id"], item["evaluator"]) for item in items}
