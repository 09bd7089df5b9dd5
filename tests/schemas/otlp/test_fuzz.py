"""Garbage, damaged records and odd values: an `InvalidRecord` or a trace, and nothing else."""

from __future__ import annotations

import math
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import InvalidRecord
from schemas.otlp import decode, raw_split
from schemas.otlp.span import UNREADABLE
from tests.schemas.otlp.records import json_record, to_json
from tests.schemas.recorded import EXAMPLES, HASHER, INSTRUMENTED, instrumented_records, lines, whole

REASONS = {"undecodable", "not_otlp", "wrong_type", "too_deep", "bad_id"}
SEEDS = [json_record([("gen_ai.input.messages", {"stringValue": '[{"role":"user","parts":[{"content":"hi"}]}]'})])]
if INSTRUMENTED.is_dir():
    SEEDS += [records[0] for records in instrumented_records().values()][::9]
SEEDS += [next(iter(raw_split(next(lines(EXAMPLES / "airline.otlp.jsonl.gz"))).values()))]


def _only_invalid_records(data: bytes) -> None:
    for read in (decode, lambda d, h: raw_split(d)):
        try:
            found = read(data, HASHER)
        except InvalidRecord as error:
            assert error.reason in REASONS
        else:
            if read is decode:
                for fragment in found:
                    trace = whole([fragment])
                    assert not any(UNREADABLE in span.attributes for span in trace.spans)
                    assert trace.from_bytes(trace.to_bytes()) == trace


@given(data=st.binary(max_size=300) | st.binary(max_size=300).map(lambda b: b'{"resourceSpans":' + b))
@settings(max_examples=300, deadline=None)
def test_random_bytes(data: bytes) -> None:
    _only_invalid_records(data)


@given(seed=st.sampled_from(SEEDS), data=st.data())
@settings(max_examples=150, deadline=None)
def test_mutated_records(seed: bytes, data: st.DataObject) -> None:
    mutated = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(mutated) - 1))
        change = data.draw(st.sampled_from(["flip", "cut", "insert", "double"]))
        if change == "flip":
            mutated[place] ^= data.draw(st.integers(1, 255))
        elif change == "cut":
            del mutated[place : place + data.draw(st.integers(1, 40))]
        elif change == "insert":
            mutated[place:place] = data.draw(st.binary(min_size=1, max_size=8))
        else:
            mutated[place:place] = mutated[place : place + 60]
        if not mutated:
            return
    _only_invalid_records(bytes(mutated))


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["role", "content", "parts", "type", "text", "tool_calls", "message", "function", "id", "name",
                         "data", "kwargs", "lc", "messages", "choices", "output", "generations", "args", "arguments",
                         "toolUse", "toolResult", "response", "result", "finish_reason", "usage", "update", "delta"]),
        inner, max_size=4,
    ),
    max_leaves=25,
)  # fmt: skip
NAMES = [
    "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.definitions",
    "gen_ai.tool.call.arguments", "gen_ai.tool.call.result", "gen_ai.operation.name", "gen_ai.response.finish_reasons",
    "gen_ai.usage.input_tokens", "gen_ai.prompt.0.role", "gen_ai.prompt.0.tool_calls.0.name", "gen_ai.completion.0.content",
    "gen_ai.completion.1.function_call.name", "llm.request.functions.0.name", "openinference.span.kind", "input.value",
    "output.value", "llm.input_messages.0.message.role", "llm.input_messages.0.message.contents.0.message_content.type",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.name", "llm.invocation_parameters", "metadata",
    "llm.tools.0.tool.json_schema", "retrieval.documents.0.document.content", "traceloop.span.kind",
    "traceloop.entity.input", "traceloop.entity.output", "mlflow.spanType", "mlflow.spanInputs", "mlflow.spanOutputs",
    "mlflow.chat.tokenUsage", "pydantic_ai.all_messages", "final_result", "all_messages_events", "logfire.msg",
    "model_request_parameters", "gcp.vertex.agent.llm_request", "gcp.vertex.agent.llm_response", "llm.openai.choices",
    "gcp.vertex.agent.tool_response", "llm.openai.messages", "llm.openai.usage", "session.id", "error.type", "tool.name",
]  # fmt: skip
WORDS = st.sampled_from(
    ["chat", "execute_tool", "invoke_agent", "LLM", "TOOL", "CHAIN", '"TOOL"', "tool", "agent", "x"]
)


@given(
    attributes=st.dictionaries(st.sampled_from(NAMES), WORDS | ODD, max_size=8),
    events=st.lists(
        st.tuples(
            st.sampled_from(["gen_ai.choice", "gen_ai.user.message", "gen_ai.tool.message", "exception",
                             "gen_ai.client.inference.operation.details", "gen_ai.content.prompt", "mlflow.chunk.item.0"]),
            st.dictionaries(
                st.sampled_from(["content", "message", "finish_reason", "id", "gen_ai.input.messages", "tool.result",
                                 "gen_ai.event.content", "gen_ai.prompt", "exception.type", "mlflow.chunk.value"]),
                ODD, max_size=3,
            ),
        ),
        max_size=3,
    ),
    as_text=st.booleans(),
    name=st.sampled_from(["s", "raw_gen_ai_request", "agent run", "invoke_agent x"]),
)  # fmt: skip
@settings(max_examples=600, deadline=None)
def test_any_value_under_any_known_name(attributes: Any, events: Any, as_text: bool, name: str) -> None:
    def value(found: Any) -> Any:
        if isinstance(found, str) or not as_text:
            return _json_value(found)
        return {"stringValue": orjson.dumps(_finite(found)).decode()}

    data = json_record(
        ((key, value(found)) for key, found in attributes.items()),
        name=name,
        events=[
            {"name": event, "attributes": [{"key": key, "value": value(found)} for key, found in said.items()]}
            for event, said in events
        ],
    )
    trace = whole(decode(data, HASHER))
    assert trace.from_bytes(trace.to_bytes()) == trace
    assert UNREADABLE not in trace.spans[0].attributes


def _finite(found: Any) -> Any:
    if isinstance(found, float) and not math.isfinite(found):
        return None
    if isinstance(found, int) and abs(found) > 2**62:
        return 0
    if isinstance(found, list):
        return [_finite(item) for item in found]
    return {k: _finite(v) for k, v in found.items()} if isinstance(found, dict) else found


def _json_value(found: Any) -> Any:
    return to_json(_finite(found))
