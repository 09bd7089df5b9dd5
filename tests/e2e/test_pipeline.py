"""The main job: traces in, decisions, alerts and notifications out, exactly once, on both kinds of installation."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer

from schemas.alert import Alert
from schemas.settings import Topics
from tests.e2e.conftest import MakeStack
from tests.e2e.stack import Stack

DECISIONS = """
    SELECT evaluator, trace_id, coalesce(span_id, ''), status, value, label, passed, blamed_span_id
    FROM v_scores_current WHERE kind <> 'human' ORDER BY 1, 2, 3, 4
"""


def decisions(stack: Stack, source: Stack | None = None) -> list[tuple[Any, ...]]:
    return [tuple(_plain(v) for v in row) for row in (source or stack).sql(DECISIONS)]


def _plain(value: Any) -> Any:
    return bool(value) if isinstance(value, bool) else round(value, 9) if isinstance(value, float) else value


async def test_each_decision_once_and_as_offline(new_stack: MakeStack, airline: Path) -> None:
    stack = new_stack()
    stack.start_judge()
    stack.start()
    stack.ready()
    stack.publish(airline)
    stack.settle()
    found = decisions(stack)
    keys = Counter(row[:3] for row in found)
    assert max(keys.values()) == 1, "more than one current decision for a target and evaluator"
    assert stack.counts()["traces"] == 100
    assert stack.counts()["dead_letters"] == 0
    offline = Stack(stack.folder / "offline", stack.bootstrap_servers, config=stack.config.read_text())
    offline.environment.update({k: v for k, v in stack.environment.items() if k.startswith("OPENAI")})
    offline.cli("run", str(airline), "--judges", "--warehouse", offline.warehouse_url)
    assert [_comparable(row) for row in decisions(offline)] == [_comparable(row) for row in found]
    before = stack.counts()
    stack.publish(airline)
    stack.settle()
    assert stack.counts() == before, "publishing the same traces again changed something"
    assert decisions(stack) == found
    offline.stop()


def _comparable(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Databases differ in how they store a truth value."""
    *head, passed, blamed = row
    return (*head, None if passed is None else bool(passed), blamed)


async def test_an_alert_and_its_recovery(new_stack: MakeStack, airline: Path, faulty_airline: Path) -> None:
    stack = new_stack()
    stack.start_judge()
    stack.start()
    stack.ready()
    stack.publish(airline)
    stack.settle()
    stack.publish(faulty_airline)
    stack.settle()
    stack.publish(_renamed(airline, stack.folder / "again.otlp.jsonl"))
    stack.settle()
    alerts = [a for a in await read_alerts(stack) if a.rule == "tool-arguments" and a.segment.dimension is None]
    states = [alert.state for alert in alerts]
    assert "CRITICAL" in states or "WARNING" in states, states
    assert states[-1] == "OK", states
    assert len({alert.dedup_key for alert in alerts}) == 1
    assert len({alert.alert_id for alert in alerts}) == len(alerts), "an alert was published under an id twice"
    fired = next(alert for alert in alerts if alert.state in ("WARNING", "CRITICAL"))
    assert fired.value is not None and fired.threshold is not None and fired.value < fired.threshold
    assert fired.worst and fired.worst[0].explanation
    assert len(stack.sql("SELECT alert_id FROM alerts WHERE rule = 'tool-arguments'")) >= len(alerts)


async def read_alerts(stack: Stack) -> list[Alert]:
    """By a plain consumer, as a subscriber would."""
    prefix = stack.config.read_text().split("topic_prefix: ")[1].split(",")[0]
    consumer = AIOKafkaConsumer(
        prefix + Topics.ALERTS, bootstrap_servers=stack.bootstrap_servers, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        found: list[Alert] = []
        while True:
            batches = await consumer.getmany(timeout_ms=2000)
            if not batches:
                return found
            found += [Alert.from_bytes(record.value) for records in batches.values() for record in records]
    finally:
        await consumer.stop()


def _renamed(file: Path, copy: Path) -> Path:
    """The same runs under other trace ids."""
    lines = []
    for line in gzip.decompress(file.read_bytes()).splitlines(keepends=True):
        trace_id = orjson.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"]
        lines.append(line.replace(trace_id.encode(), b"ffff" + trace_id[4:].encode()))
    copy.write_bytes(b"".join(lines))
    return copy


async def test_a_session_is_evaluated_when_it_rests(new_stack: MakeStack) -> None:
    config = """\
project: demo
kafka: {session_timeout_s: 6}
sessions: {quiet_s: 1.5}
evaluators:
  - {type: length, name: session_length, target: session, options: {max: 20}}
"""
    stack = new_stack(config)
    stack.start("evaluate", "monitor")
    stack.ready(["evaluate", "monitor"])
    file = stack.folder / "native.jsonl"
    turns = [
        _turn("t1", 0, "short"),
        _turn("t2", 60, "also short"),
        _turn("t3", 120, "a much longer answer than allowed"),
    ]
    file.write_bytes(b"\n".join(orjson.dumps(turn) for turn in turns[:2]))
    stack.publish(file)
    stack.settle(["evaluate", "monitor"])
    assert _passed(stack) == [True]
    file.write_bytes(orjson.dumps(turns[2]))
    stack.publish(file)
    stack.settle(["evaluate", "monitor"])
    assert _passed(stack) == [False], "the newest revision of the session is the current one"


def _passed(stack: Stack) -> list[bool]:
    return [bool(row[0]) for row in stack.sql("SELECT passed FROM v_scores_current WHERE evaluator = 'session_length'")]


def _turn(trace_id: str, second: int, answer: str) -> dict[str, Any]:
    start = 1_760_000_000 + second
    return {
        "trace_id": trace_id,
        "session_id": "conversation-1",
        "spans": [
            {
                "span_id": f"{trace_id}-1",
                "name": "chat",
                "kind": "llm",
                "start": start,
                "end": start + 1,
                "input_messages": [{"role": "user", "content": "hello"}],
                "output_messages": [{"role": "assistant", "content": answer}],
            }
        ],
    }
