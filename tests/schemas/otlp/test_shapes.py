"""Messages, results, arguments and tool definitions of every shape that clients write."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.schemas.otlp.spans import CHAT, PARIS, PARTS_CALL, TOOL, span_of

CALLS = {
    "genai": PARTS_CALL,
    "genai, arguments as text": {
        "role": "assistant",
        "parts": [{"type": "tool_call", "id": "c", "name": "f", "arguments": '{"city": "Paris"}'}],
    },
    "openai": {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"city":"Paris"}'}}],
    },
    "openai responses": {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "c",
        "name": "f",
        "arguments": '{"city":"Paris"}',
    },
    "anthropic": {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": PARIS}]},
    "bedrock": {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c", "name": "f", "input": PARIS}}]},
    "google": {"role": "model", "parts": [{"function_call": {"id": "c", "name": "f", "args": PARIS}}]},
    "google, camel case": {"role": "model", "parts": [{"functionCall": {"id": "c", "name": "f", "args": PARIS}}]},
    "langchain": {
        "type": "ai",
        "content": "",
        "tool_calls": [{"name": "f", "args": PARIS, "id": "c", "type": "tool_call"}],
    },
    "langchain, data": {
        "type": "ai",
        "data": {"content": "", "type": "ai", "tool_calls": [{"name": "f", "args": PARIS, "id": "c"}]},
    },
    "langchain, constructor": {
        "lc": 1,
        "id": ["langchain", "schema", "messages", "AIMessage"],
        "kwargs": {"content": "", "type": "ai", "tool_calls": [{"name": "f", "args": PARIS, "id": "c"}]},
    },
    "vercel": {
        "role": "assistant",
        "content": [{"type": "tool-call", "toolCallId": "c", "toolName": "f", "input": PARIS}],
    },
}


@pytest.mark.parametrize("shape", CALLS)
def test_a_call_of_every_shape_is_one_message(shape: str) -> None:
    trace, span = span_of({**CHAT, "gen_ai.output.messages": json.dumps([CALLS[shape]])})
    reference, wanted = span_of({**CHAT, "gen_ai.output.messages": json.dumps([PARTS_CALL])})
    assert list(trace.outputs(span)) == list(reference.outputs(wanted))
    (call,) = next(trace.outputs(span)).tool_calls
    assert (call.id, call.name, call.arguments) == ("c", "f", PARIS)


RESULTS = {
    "genai": {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c", "response": "21"}]},
    "pydantic-ai": {"role": "user", "parts": [{"type": "tool_call_response", "id": "c", "result": "21"}]},
    "adk": {"role": "user", "parts": [{"type": "tool_call_response", "id": "c", "response": {"result": "21"}}]},
    "litellm": {"role": "tool", "parts": [{"type": "text", "content": "21"}], "tool_call_id": "c"},
    "openai": {"role": "tool", "content": "21", "tool_call_id": "c"},
    "openai, blocks": {"role": "tool", "content": [{"type": "text", "text": "21"}], "tool_call_id": "c"},
    "openai responses": {"type": "function_call_output", "call_id": "c", "output": "21"},
    "anthropic": {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "21"}]}]},
    "bedrock": {"role": "user", "content": [{"toolResult": {"toolUseId": "c", "content": [{"text": "21"}]}}]},
    "bedrock, as tool": {"role": "tool", "content": [{"toolResult": {"toolUseId": "c", "content": [{"text": "21"}]}}]},
    "google": {"role": "user", "parts": [{"function_response": {"id": "c", "response": {"result": "21"}}}]},
    "langchain": {"type": "tool", "data": {"content": "21", "type": "tool", "tool_call_id": "c"}},
}  # fmt: skip


@pytest.mark.parametrize("shape", RESULTS)
def test_a_result_of_every_shape_is_one_message(shape: str) -> None:
    trace, span = span_of({**CHAT, "gen_ai.input.messages": json.dumps([RESULTS[shape]])})
    (message,) = trace.inputs(span)
    assert (message.role, message.content, message.tool_call_id) == ("tool", "21", "c")


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        ('{"city": "Paris"}', '{"city": "Paris"}'),
        ('{"city": "Par', '{"city": "Par'),
        ("plain", "plain"),
        ("", None),
        ("[]", "[]"),
        ('{"result": "plain"}', "plain"),
        ('{"result": {"a": 1}}', {"a": 1}),
        ('{"result": "x", "ok": true}', '{"result": "x", "ok": true}'),
        ('[{"text": "a"}, {"text": "b"}]', "a\nb"),
        ('[{"type": "text", "text": "a"}]', "a"),
        ('[{"text": "a", "other": 1}]', '[{"text": "a", "other": 1}]'),
        ('[{"json": {"a": 1}}]', {"a": 1}),
        ('{"content": [{"type": "text", "text": "a"}], "isError": false}', "a"),
        ('{"type": "tool", "data": {"content": "a", "tool_call_id": "c"}}', "a"),
        ('{"lc": 1, "id": ["ToolMessage"], "kwargs": {"content": "a", "tool_call_id": "c"}}', "a"),
        ('{"output": {"lc": 1, "kwargs": {"content": "a", "tool_call_id": "c"}}, "kwargs": {}}', "a"),
        ('"encoded twice"', "encoded twice"),
        ("Error: upstream timeout", "Error: upstream timeout"),
    ],
)
def test_envelopes_of_results(received: str, expected: Any) -> None:
    _, span = span_of({**TOOL, "gen_ai.tool.call.result": received})
    assert span.result == expected


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        ('{"city": "Paris"}', PARIS),
        ('{"city": "Par', '{"city": "Par'),
        ('{"args": [], "kwargs": {"city": "Paris"}}', PARIS),
        ('{"args": [{"city": "Paris"}], "kwargs": {}}', PARIS),
        ('{"args": ["Paris"], "kwargs": {}}', {"args": ["Paris"], "kwargs": {}}),
        ('{"args": [], "sanitize_inputs_outputs": true, "kwargs": {"city": "Paris"}}', PARIS),
        ('{"input_str": "x", "tags": [], "inputs": {"city": "Paris"}}', PARIS),
        ('{"input_str": "{\'city\': \'Paris\'}", "tags": []}', PARIS),
        ("{'city': 'Paris'}", PARIS),
        ("{'pair': (1, 2), 3: None}", {"pair": [1, 2], "3": None}),
        ('{"tool_string": "", "calling": {"tool_name": "t", "arguments": {"city": "Paris"}}}', PARIS),
        ("Paris", "Paris"),
    ],
)
def test_envelopes_of_arguments(received: str, expected: Any) -> None:
    _, span = span_of({"openinference.span.kind": "TOOL", "tool.name": "t", "input.value": received})
    assert (span.kind, span.tool_name, span.arguments) == ("tool", "t", expected)


def test_reasoning_and_other_parts_are_kept() -> None:
    parts = [
        {"type": "reasoning", "content": "hm"},
        {"type": "thinking", "thinking": "so"},
        {"type": "text", "content": "It is."},
        {"type": "blob", "mime_type": "image/png", "data": "aGk="},
        {"type": "refusal", "refusal": " No."},
    ]
    trace, span = span_of({**CHAT, "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": parts}])})
    (message,) = trace.outputs(span)
    assert message.reasoning == "hm\nso"
    assert message.content == "It is.\n No."
    assert message.parts == (parts[3],)


def test_tool_definitions_of_every_shape_are_one_set() -> None:
    schema = {"type": "object", "properties": {}}
    shapes = [
        [{"type": "function", "name": "f", "description": "d", "parameters": schema}],
        [{"type": "function", "function": {"name": "f", "description": "d", "parameters": schema}}],
        [{"name": "f", "description": "d", "input_schema": schema}],
        [{"name": "f", "description": "d", "inputSchema": {"json": schema}}],
        [{"toolSpec": {"name": "f", "description": "d", "inputSchema": {"json": schema}}}],
        [{"function_declarations": [{"name": "f", "description": "d", "parameters_json_schema": schema}]}],
        {"function_tools": [{"name": "f", "description": "d", "parameters_json_schema": schema}]},
        [json.dumps({"name": "f", "description": "d", "parameters": json.dumps(schema)})],
    ]
    found = {span_of({**CHAT, "gen_ai.tool.definitions": json.dumps(shape)})[1].tool_set for shape in shapes}
    assert len(found) == 1 and None not in found
    assert span_of({**CHAT, "gen_ai.tool.definitions": "[]"})[1].tool_set is None
