"""Deletion while everything runs: late spans, repetitions, feedback and replays stay away; others' traces do not."""

from __future__ import annotations

import orjson
import pytest

from schemas.settings import Topics
from tests.e2e.conftest import MakeStack
from tests.e2e.hostile import Hostile, native, otlp, otlp_span, span
from tests.e2e.raw_kafka import write
from tests.e2e.stack import Stack

CONFIG = """\
project: demo
kafka: {session_timeout_s: 6, batch_records: 20, partitions: 4}
assemble: {quiet_s: 0.5, rootless_quiet_s: 1.0}
sessions: {quiet_s: 1.0}
redaction: {keep_dead_letter_payloads: true}
evaluators:
  - {type: length, target: trace, options: {max: 4000}}
  - {type: length, name: conversation, target: session, options: {max: 4000}}
  - {type: llm_judge, name: helpful, target: trace, options: {rubric: helpfulness}}
judge: {model: m}
"""
TABLES = ("traces", "spans", "messages", "scores", "requests", "request_decisions", "judge_cache")
ANN, BOB = "ann@example.com", "bob@example.com"
OTLP_ANN, OTLP_BOB = f"{0xA:032x}", f"{0xB:032x}"


def said(trace_id: str, user: str | None, *span_ids: str) -> Hostile:
    spans = [span(span_id, input_messages=[{"role": "user", "content": f"I am {trace_id}"}]) for span_id in span_ids]
    body = native(trace_id, *spans, user_id=user, session_id="s" if user else None)
    return Hostile(trace_id, Topics.TRACES, orjson.dumps(body), key=trace_id.encode())


def exported(trace_id: str, number: int, **attributes: str) -> Hostile:
    spans = otlp(otlp_span(trace_id, number, parent=None if number == 1 else 1, **attributes))
    return Hostile(trace_id, Topics.OTLP_SPANS, spans, key=trace_id.encode())


@pytest.mark.timeout(300)
async def test_what_was_deleted_stays_away(new_stack: MakeStack) -> None:
    stack = new_stack(CONFIG)
    stack.start_judge()
    stack.start()
    stack.ready()
    first = [said("a1", ANN, "a"), said("b1", BOB, "a"), said("a2", ANN, "a"), said("b2", BOB, "a")]
    first += [exported(OTLP_ANN, 1, **{"user.id": ANN}), exported(OTLP_BOB, 1, **{"user.id": BOB})]
    await write(stack, first)
    stack.settle()
    assert _traces(stack) == {"a1", "a2", "b1", "b2", OTLP_ANN, OTLP_BOB}
    assert stack.sql("SELECT count(*) FROM judge_cache")[0][0] >= 4
    [told] = stack.cli("delete", "user", ANN, "--yes")
    assert told["traces"] == 3
    assert _traces(stack) == {"b1", "b2", OTLP_BOB}
    _assert_gone(stack)

    late = [
        *(said("a1", None, "late"), said("a2", ANN, "a"), said("a3", ANN, "a"), said("a3", None, "b")),
        *(exported(OTLP_ANN, 2), exported(OTLP_BOB, 2), said("b1", BOB, "late")),
        Hostile("feedback", Topics.FEEDBACK, b'{"trace_id": "a1", "score": 1}'),
        Hostile("feedback", Topics.FEEDBACK, b'{"trace_id": "b1", "score": 1}'),
    ]
    await write(stack, late)
    stack.settle()
    _assert_gone(stack)
    spans = set(stack.sql("SELECT trace_id, span_id FROM spans"))
    assert {("b1", "a"), ("b1", "late"), ("b2", "a")} < spans and len(spans) == 5
    assert {row[0] for row in stack.sql("SELECT trace_id FROM scores WHERE kind = 'human'")} == {"b1"}
    dropped = {c.component: c.state["dropped"].get("deleted", 0) for c in stack.warehouse.components()}
    assert dropped["evaluate"] >= 5 and dropped["assemble"] == 1, dropped

    [replayed] = stack.cli("replay", "--from", "2020-01-01", "--to", "2100-01-01")
    assert replayed["deleted"] >= 3 and replayed["traces"] == 3
    _assert_gone(stack)


def _traces(stack: Stack) -> set[str]:
    return {row[0] for row in stack.sql("SELECT trace_id FROM traces")}


def _assert_gone(stack: Stack) -> None:
    hers = ("a1", "a2", "a3", OTLP_ANN)
    for table in TABLES:
        assert not {row[0] for row in stack.sql(f"SELECT trace_id FROM {table}")}.intersection(hers), table
    listed = str(stack.sql("SELECT traces FROM sessions"))
    assert not any(f'"{trace_id}"' in listed for trace_id in hers)
