"""What real clients sent through a real Collector, put on Kafka as it lay there: each trace once, with what was said.

How each dialect is decoded is tested field by field in tests/schemas/otlp; here the same records take the whole way.
"""

from __future__ import annotations

from base64 import b64decode
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from schemas.ids import Hasher
from schemas.otlp import decode
from schemas.settings import Topics
from tests.e2e.conftest import MakeStack
from tests.e2e.stack import Stack
from tests.schemas.otlp.clients import RETURNED
from tests.schemas.recorded import INSTRUMENTED, lines, needs_instrumented, truth

FILES = ("records.jsonl.gz", "records_otlp_json.jsonl.gz")
CONFIG = """\
project: unnamed
kafka: {session_timeout_s: 6, partitions: 4}
assemble: {quiet_s: 1.0, rootless_quiet_s: 3.0}
sessions: {quiet_s: 2.0}
evaluators:
  - {type: tool_error_as_success}
  - {type: tokens, target: trace}
"""
# each dialect, some of them in JSON too
WITH_CONTENTS = (
    *("openai-v2", "openai-v2/json", "genai-openai", "oi-openai", "oi-openai/json", "traceloop", "traceloop-old"),
    *("pydantic-ai", "pydantic-ai/json", "openai-agents", "langchain", "strands", "adk-content", "mlflow"),
)
CONVERSATIONS = ("a", "b", "d")
SPANS = """
    SELECT trace_id, kind, tool_name, arguments, result, input_messages, output_messages, response_model, input_tokens
    FROM v_spans
"""

pytestmark = [needs_instrumented, pytest.mark.timeout(300)]


class Recorded(NamedTuple):
    """A Kafka record as it lay there."""

    client: str
    conversation: str
    key: bytes
    value: bytes


async def test_every_recorded_trace_arrives_once(new_stack: MakeStack) -> None:
    recorded = list(_recorded())
    expected = _spans_by_trace(recorded)
    stack = new_stack(CONFIG)
    stack.start()
    stack.ready()
    await publish(stack, recorded)
    stack.until(lambda: stack.counts()["traces"] >= len(expected), "not every trace arrives")
    stack.settle()
    assert stack.counts()["dead_letters"] == 0
    assert dict(stack.sql("SELECT trace_id, revision FROM traces")) == {t: len(spans) for t, spans in expected.items()}
    found = Counter(stack.sql("SELECT trace_id, span_id FROM v_spans"))
    assert found == Counter((trace_id, span_id) for trace_id, spans in expected.items() for span_id in spans)
    assert stack.sql("SELECT count(*) FROM traces WHERE incomplete OR partial") == [(0,)]
    assert stack.sql("SELECT count(*) FROM v_scores_current WHERE status = 'failed'") == [(0,)]
    _check_what_was_said(stack, recorded)
    _check_scores(stack, recorded)


async def publish(stack: Stack, recorded: Iterable[Recorded]) -> None:
    """Same keys, same bytes, same order."""
    producer = AIOKafkaProducer(bootstrap_servers=stack.bootstrap_servers, linger_ms=20)
    await producer.start()
    try:
        for record in recorded:
            await producer.send(stack.topic(Topics.OTLP_SPANS), record.value, record.key)
        await producer.flush()
    finally:
        await producer.stop()


def _check_what_was_said(stack: Stack, recorded: Iterable[Recorded]) -> None:
    of = _traces_of(recorded)
    spans = defaultdict(list)
    for trace_id, *columns in stack.sql(SPANS):
        spans[trace_id].append([_json(column) for column in columns])
    for client in WITH_CONTENTS:
        for conversation in CONVERSATIONS:
            told = truth()["conversations"][conversation]
            mine = [span for trace_id in of[client, conversation] for span in spans[trace_id]]
            where = (client, conversation)
            calls = [span for span in mine if span[0] == "llm"]
            assert len(calls) == 2, where
            assert {message["content"] for call in calls for message in call[4] if message["role"] == "user"} == {
                *told["user"]
            }, where
            assert told["final"] in [message["content"] for call in calls for message in call[5]], where
            asked = [c for call in calls for message in call[5] for c in message.get("tool_calls") or ()]
            assert _sorted((c["name"], _json(c["arguments"])) for c in asked) == _tools(told, "arguments"), where
            tools = [span for span in mine if span[0] == "tool"]
            assert _sorted((t[1], t[2]) for t in tools) == _tools(told, "arguments"), where
            assert _sorted((t[1], t[3]) for t in tools) == _tools(told, "result"), where
            assert {call[6] for call in calls} <= {RETURNED, None} and all(call[7] > 0 for call in calls), where


def _check_scores(stack: Stack, recorded: Iterable[Recorded]) -> None:
    """A tool's failure that only its text tells is found in each of them, and no success is taken for one."""
    of = _traces_of(recorded)
    query = "SELECT trace_id, passed FROM v_scores_current WHERE evaluator = 'tool_error_as_success'"
    verdicts = defaultdict(list)
    for trace_id, passed in stack.sql(query):
        verdicts[trace_id].append(bool(passed))
    for client in WITH_CONTENTS:
        for conversation, verdict in (("a", [True]), ("b", [False]), ("d", [True, True])):
            [trace_id] = of[client, conversation]
            assert verdicts[trace_id] == verdict, (client, conversation)


def _recorded() -> Iterable[Recorded]:
    for name in FILES:
        for line in lines(INSTRUMENTED / name):
            record = orjson.loads(line)
            in_json = "value" in record
            value = record["value"].encode() if in_json else b64decode(record["value_b64"])
            client = record["client"] + ("/json" if in_json else "")
            yield Recorded(client, record["conversation"], record["key"].encode(), value)


def _spans_by_trace(recorded: Iterable[Recorded]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    hasher = Hasher(b"any")
    for record in recorded:
        [fragment] = decode(record.value, hasher)
        found[fragment.trace_id] |= {span.span_id for span in fragment.spans}
    return found


def _traces_of(recorded: Iterable[Recorded]) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for record in recorded:
        found[record.client, record.conversation].add(record.key.decode())
    return found


def _tools(told: dict[str, Any], what: str) -> list[tuple[str, Any]]:
    return _sorted((tool["name"], tool[what]) for tool in told["tools"])


def _sorted(found: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return sorted(found, key=str)


def _json(value: Any) -> Any:
    """What JSON text stands for; a tool's result is text that may itself be JSON."""
    try:
        return _json(orjson.loads(value)) if isinstance(value, str) else value
    except orjson.JSONDecodeError:
        return value
