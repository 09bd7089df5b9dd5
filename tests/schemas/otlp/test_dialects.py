"""Dialects, and variants of them that the recordings do not have."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.otlp.dialects import DIALECTS
from schemas.otlp.words import FINISH_REASONS, finish_reasons
from tests.schemas.otlp.spans import CHAT, PARIS, PARTS_CALL, TOOL, read, said, span_of


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda d: d.name)
def test_a_table_names_an_attribute_once(dialect: Any) -> None:
    names = [name for names in dialect.aliases.values() for name in names]
    assert len(names) == len(set(names))
    assert dialect.namespaces


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["stop"], ("stop",)),
        ('["tool_call"]', ("tool_calls",)),
        ("end_turn", ("stop",)),
        ("tool_use", ("tool_calls",)),
        ("FinishReason.MAX_TOKENS", ("length",)),
        ("FINISH_REASON_SAFETY", ("content_filter",)),
        (["length", "content_filter"], ("length", "content_filter")),
        ("MALFORMED_FUNCTION_CALL", ("error",)),
        ("whatever", ("other",)),
        ("", ()),
        (None, ()),
        ([None, 3], ()),
    ],
)
def test_finish_reasons(given: Any, expected: tuple[str, ...]) -> None:
    assert finish_reasons(given) == expected
    assert set(expected) <= set(FINISH_REASONS)


def test_system_instructions_come_first_and_once() -> None:
    system = json.dumps([{"type": "text", "content": "Be kind."}])
    user = {"role": "user", "parts": [{"type": "text", "content": "Hi"}]}
    held = {"role": "system", "parts": [{"type": "text", "content": "Be kind."}]}
    for messages in ([user], [held, user]):
        trace, span = span_of(
            {**CHAT, "gen_ai.system_instructions": system, "gen_ai.input.messages": json.dumps(messages)}
        )
        assert said(trace, span) == [("system", "Be kind."), ("user", "Hi")]
    trace, span = span_of(
        {**CHAT, "gen_ai.system_instructions": "Be kind.", "gen_ai.input.messages": json.dumps([user])}
    )
    assert said(trace, span) == [("system", "Be kind."), ("user", "Hi")]


@pytest.mark.parametrize(
    "events",
    [
        [
            ("gen_ai.system.message", {"content": "Be kind."}),
            ("gen_ai.user.message", {"content": "Hi"}),
            ("gen_ai.choice", {"finish_reason": "stop", "message": '{"role": "assistant", "content": "Hello"}'}),
        ],
        [
            ("gen_ai.system.message", {"gen_ai.event.content": '{"role": "system", "content": "Be kind."}'}),
            ("gen_ai.user.message", {"gen_ai.event.content": '{"role": "user", "content": "Hi"}'}),
            (
                "gen_ai.choice",
                {"gen_ai.event.content": '{"index": 0, "finish_reason": "stop", "message": {"content": "Hello"}}'},
            ),
        ],
        [
            (
                "gen_ai.content.prompt",
                {
                    "gen_ai.prompt": '[{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]',
                },
            ),
            ("gen_ai.content.completion", {"gen_ai.completion": '[{"role": "assistant", "content": "Hello"}]'}),
        ],
        [
            (
                "gen_ai.client.inference.operation.details",
                {
                    "gen_ai.system_instructions": '[{"type": "text", "content": "Be kind."}]',
                    "gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]',
                    "gen_ai.output.messages": '[{"role": "assistant", "parts": [{"type": "text", "content": "Hello"}], "finish_reason": "stop"}]',
                },
            )
        ],
    ],
    ids=["message events", "event content", "content events", "details"],
)
def test_messages_in_events(events: Any) -> None:
    trace = read({**CHAT, "_events": [*events, ("mine", {"a": 1})]})
    assert said(trace, trace.spans[0]) == [("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello")]
    assert [event.name for event in trace.spans[0].events] == ["mine"]


def test_pydantic_ai_before_version_2() -> None:
    events = [
        {"event.name": "gen_ai.system.message", "content": "Be kind.", "role": "system"},
        {"event.name": "gen_ai.user.message", "content": "Hi", "role": "user"},
        {
            "event.name": "gen_ai.choice",
            "message": {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]},
        },
    ]
    trace, span = span_of({**CHAT, "logfire.msg": "x", "events": json.dumps(events)})
    assert said(trace, span) == [("system", "Be kind."), ("user", "Hi"), ("assistant", "")]
    assert "events" not in span.attributes
    trace, agent = span_of({"_name": "agent run", "logfire.msg": "x", "all_messages_events": json.dumps(events[:2])})
    assert agent.kind == "agent"
    assert said(trace, agent) == [("system", "Be kind."), ("user", "Hi")]


def test_openinference_agno() -> None:
    """Agno: the requested model under llm.model_name, text of an agent in and out, a failed tool's text."""
    trace = read(
        {
            "_name": "weather_agent.run",
            "openinference.span.kind": "AGENT",
            "agent.name": "weather agent",
            "graph.node.id": "3f2a1b",
            "input.value": "Hi",
            "output.value": "Hello",
            "output.mime_type": "application/json",
            "session.id": "s1",
        },
        {
            "_name": "OpenAIChat.invoke",
            "_parent": 1,
            "openinference.span.kind": "LLM",
            "llm.model_name": "gpt-4.1-mini",
            "llm.provider": "OpenAI",
            "llm.invocation_parameters": '{"temperature": 0.2}',
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.content": "Hi",
            "output.value": '[{"role": "assistant", "content": "Hello"}]',
            "output.mime_type": "application/json",
            "llm.token_count.prompt": 3,
            "llm.token_count.completion": 4,
        },
        {
            "_name": "get_weather",
            "_parent": 1,
            "_status": 2,
            "openinference.span.kind": "TOOL",
            "tool.name": "get_weather",
            "tool.parameters": '{"city": "Paris"}',
            "input.value": '{"city": "Paris"}',
            "output.value": "unknown city",
        },
    )
    agent, call, tool = trace.spans
    assert (agent.kind, agent.agent_name, trace.session_id) == ("agent", "weather agent", "s1")
    assert said(trace, agent) == said(trace, call) == [("user", "Hi"), ("assistant", "Hello")]
    assert (call.request_model, call.response_model, call.provider) == ("gpt-4.1-mini", None, "OpenAI")
    assert (call.usage.input_tokens, call.usage.output_tokens) == (3, 4)
    assert (tool.arguments, tool.result, tool.status) == (PARIS, "unknown city", "error")


def test_openinference_crewai_agent() -> None:
    _, span = span_of(
        {
            "_name": "Researcher._execute_core",
            "openinference.span.kind": "AGENT",
            "graph.node.id": "Researcher",
            "llm.model_name": "gpt-4.1-mini",
            "input.value": '{"agent": "Agent(role=Researcher)", "context": "", "tools": []}',
        }
    )
    assert (span.kind, span.agent_name, span.request_model) == ("agent", "Researcher", "gpt-4.1-mini")
    assert span.attributes["input.value"]["context"] == ""


def test_openinference_retrieval_and_completions() -> None:
    trace, span = span_of(
        {
            "openinference.span.kind": "RETRIEVER",
            "input.value": "where?",
            "retrieval.documents.0.document.id": "d1",
            "retrieval.documents.0.document.content": "here",
            "retrieval.documents.0.document.score": 0.5,
            "retrieval.documents.0.document.metadata": '{"page": 3}',
            "retrieval.documents.1.document.content": "there",
        }
    )
    assert span.kind == "retrieval"
    assert span.documents == (
        {"id": "d1", "content": "here", "score": 0.5, "metadata": {"page": 3}},
        {"content": "there"},
    )
    assert said(trace, span) == [("user", "where?")]
    trace, span = span_of(
        {
            "openinference.span.kind": "LLM",
            "llm.prompts.0.prompt.text": "Once",
            "llm.choices.0.completion.text": "upon",
        }
    )
    assert said(trace, span) == [("user", "Once"), ("assistant", "upon")]


def test_openinference_without_flattened_messages() -> None:
    request = {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"type": "function", "function": {"name": "f"}}],
    }
    answer = {
        "model": "m-1",
        "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }
    trace, span = span_of(
        {"openinference.span.kind": "LLM", "input.value": json.dumps(request), "output.value": json.dumps(answer)}
    )
    assert said(trace, span) == [("user", "Hi"), ("assistant", "Hello")]
    assert (span.request_model, span.response_model, span.finish_reasons) == ("m", "m-1", ("stop",))
    assert (span.usage.input_tokens, span.usage.output_tokens) == (1, 2)
    assert [tool["name"] for tool in trace.tools(span)] == ["f"]
    assert not {"input.value", "output.value"} & span.attributes.keys()


def test_openllmetry_langchain() -> None:
    trace = read(
        {
            "_name": "LangGraph.workflow",
            "traceloop.span.kind": "workflow",
            "traceloop.entity.input": json.dumps(
                {
                    "inputs": {
                        "messages": [{"lc": 1, "id": ["HumanMessage"], "kwargs": {"content": "Hi", "type": "human"}}]
                    },
                    "tags": [],
                }
            ),
            "traceloop.entity.output": json.dumps(
                {
                    "outputs": {
                        "messages": [
                            {"lc": 1, "id": ["HumanMessage"], "kwargs": {"content": "Hi", "type": "human"}},
                            {"lc": 1, "id": ["AIMessage"], "kwargs": {"content": "Hello", "type": "ai"}},
                        ]
                    }
                }
            ),
        },
        {
            "_parent": 1,
            "llm.request.type": "chat",
            "gen_ai.system": "Langchain",
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": "Hi",
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": '""',
            "gen_ai.completion.0.finish_reason": "tool_calls",
            "gen_ai.completion.0.tool_calls.0.id": "c",
            "gen_ai.completion.0.tool_calls.0.name": "get_weather",
            "gen_ai.completion.0.tool_calls.0.arguments": '"{\\"city\\": \\"Paris\\"}"',
        },
        {
            "_parent": 1,
            "traceloop.span.kind": "tool",
            "traceloop.entity.name": "get_weather",
            "traceloop.entity.input": json.dumps({"input_str": "{'city': 'Paris'}", "inputs": PARIS, "tags": []}),
            "traceloop.entity.output": json.dumps(
                {
                    "output": {"lc": 1, "kwargs": {"content": "21", "tool_call_id": "c"}},
                    "kwargs": {"name": "get_weather"},
                }
            ),
        },
    )
    workflow, call, tool = trace.spans
    assert said(trace, workflow) == [("user", "Hi"), ("assistant", "Hello")]
    (message,) = trace.outputs(call)
    assert message.content == "" and message.tool_calls[0].arguments == PARIS
    assert (call.provider, call.finish_reasons) == (None, ("tool_calls",))
    assert (tool.tool_name, tool.tool_call_id, tool.arguments, tool.result) == ("get_weather", "c", PARIS, "21")


def test_strands_attributes_on_a_tool_span() -> None:
    _, span = span_of(
        {
            **TOOL,
            "gen_ai.provider.name": "strands-agents",
            "gen_ai.input.messages": json.dumps(
                [{"role": "tool", "parts": [{"type": "tool_call", "id": "c", "name": "t", "arguments": PARIS}]}]
            ),
            "gen_ai.output.messages": json.dumps(
                [
                    {
                        "role": "tool",
                        "parts": [{"type": "tool_call_response", "id": "c", "response": [{"text": "Error: no"}]}],
                    }
                ]
            ),
        }
    )
    assert (span.arguments, span.result, span.tool_call_id, span.provider) == (PARIS, "Error: no", "c", None)
    assert span.input_messages == span.output_messages == ()


def test_what_is_unknown_is_kept_and_what_is_known_is_not_twice() -> None:
    _, span = span_of({**CHAT, "gen_ai.request.model": "m", "my.own": "x", "gen_ai.request.temperature": 0.5})
    assert span.attributes == {"gen_ai.operation.name": "chat", "my.own": "x", "gen_ai.request.temperature": 0.5}


def test_a_span_without_any_dialect() -> None:
    trace, span = span_of({"_name": "GET /", "http.method": "GET"})
    assert (span.kind, span.attributes, trace.messages) == ("other", {"http.method": "GET"}, {})


def test_tokens_of_nested_calls_count_once_and_return_when_the_inner_goes() -> None:
    outer = {**CHAT, "gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 6}
    trace = read(outer, {"_parent": 1}, {**outer, "_parent": 2})
    assert [span.usage is not None for span in trace.spans] == [False, False, True]
    agent = {**outer, "gen_ai.operation.name": "invoke_agent"}
    trace = read(agent, {**outer, "_parent": 1})
    assert trace.spans[0].usage is None
    assert trace.spans[0].attributes["gen_ai.usage.input_tokens"] == 5


def test_ambiguous_tool_spans_are_not_joined() -> None:
    call = {**CHAT, "gen_ai.output.messages": json.dumps([PARTS_CALL])}
    tool = {"_parent": 1, "openinference.span.kind": "TOOL", "tool.name": "f", "input.value": json.dumps(PARIS)}
    assert read(call, tool).spans[1].tool_call_id == "c"
    assert [span.tool_call_id for span in read(call, tool, tool).spans[1:]] == [None, None]
    assert read(call, {**tool, "tool.name": "g"}).spans[1].tool_call_id is None


def test_what_is_no_count_of_tokens_stays_an_attribute() -> None:
    span = read({**CHAT, "gen_ai.usage.input_tokens": -5, "gen_ai.usage.output_tokens": 6}).spans[0]
    assert span.usage is not None and (span.usage.input_tokens, span.usage.output_tokens) == (None, 6)
    assert span.attributes["gen_ai.usage.input_tokens"] == -5
    assert "gen_ai.usage.output_tokens" not in span.attributes
