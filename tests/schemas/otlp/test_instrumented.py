"""Every recorded trace of real clients, compared with what was really said and done."""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson
import pytest

from schemas.trace import Message, Span, Trace
from tests.schemas.otlp.clients import CLIENTS, REQUESTED
from tests.schemas.recorded import INSTRUMENTED, instrumented_records, instrumented_traces, needs_instrumented, truth

pytestmark = needs_instrumented

SYSTEM = "You are a weather assistant. Use the get_weather tool."


def _cases() -> list[tuple[str, str]]:
    return sorted(instrumented_records()) if INSTRUMENTED.is_dir() else []


CASES = _cases()
OF_TRUTH = [(client, conversation) for client, conversation in CASES if conversation not in ("c2", "i", "h2")]


def _spans(traces: tuple[Trace, ...], kind: str) -> list[tuple[Trace, Span]]:
    return [(trace, span) for trace in traces for span in trace.spans if span.kind == kind]


def _calls(traces: tuple[Trace, ...]) -> list[tuple[Trace, Span]]:
    """The model calls that carry contents or tokens: one a reply."""
    return [(t, s) for t, s in _spans(traces, "llm") if s.output_messages or s.input_messages or s.usage]


def _said(traces: tuple[Trace, ...]) -> list[Message]:
    return [message for trace, span in _spans(traces, "llm") for message in trace.outputs(span)]


def _value(result: Any) -> Any:
    try:
        return orjson.loads(result) if isinstance(result, str) else result
    except orjson.JSONDecodeError:
        return result


def test_every_recorded_client_has_expectations() -> None:
    assert {client for client, _ in CASES} == CLIENTS.keys()


@pytest.mark.parametrize(("client", "conversation"), CASES)
def test_a_trace_survives_its_own_bytes_and_holds_nothing_twice(client: str, conversation: str) -> None:
    for trace in instrumented_traces(client, conversation):
        assert Trace.from_bytes(trace.to_bytes()) == trace
        for span in trace.spans:
            named = set(span.input_messages) | set(span.output_messages)
            assert named <= trace.messages.keys()
            assert span.tool_set is None or span.tool_set in trace.tool_sets
            kept = str({k: v for k, v in span.attributes.items() if k not in ("input.value", "output.value")})
            assert SYSTEM not in kept.replace("llm.invocation_parameters", "") or "created_at" in kept
            assert not any(event.name.startswith(("gen_ai.", "mlflow.chunk", "llm.")) for event in span.events)


@pytest.mark.parametrize(("client", "conversation"), OF_TRUTH)
def test_what_was_said(client: str, conversation: str) -> None:
    expected, told = CLIENTS[client], truth()["conversations"][conversation]
    traces = instrumented_traces(client, conversation)
    calls = _spans(traces, "llm")
    assert calls or (client, conversation) == ("litellm-otel", "e2")
    if not expected.messages:
        assert not any(trace.messages for trace in traces) or client == "adk"
        return
    if conversation == "e2" and not expected.failed_call_has_contents:
        return
    asked = [m.content for t, s in calls for m in t.inputs(s) if m.role == "user"]
    if client != "litellm-otel" or conversation != "e2":
        assert set(asked) == set(told["user"])
    for trace, span in calls:
        messages = list(trace.inputs(span))
        if messages:
            assert messages[0].role == "system"
            assert messages[0].content.startswith(SYSTEM)
            assert all(m.role != "system" for m in messages[1:])
    if "final" in told and conversation != "h":
        assert [m.content for m in _said(traces) if m.content][-1] == told["final"]
    if conversation == "h":
        assert told["final"] in [m.content for m in _said(traces)]


@pytest.mark.parametrize(("client", "conversation"), OF_TRUTH)
def test_which_tools_the_model_called(client: str, conversation: str) -> None:
    told = truth()["conversations"][conversation]
    traces = instrumented_traces(client, conversation)
    if not CLIENTS[client].messages:
        return
    called = Counter((c.name, orjson.dumps(c.arguments)) for m in _said(traces) for c in m.tool_calls)
    assert called == Counter((t["name"], orjson.dumps(t["arguments"])) for t in told["tools"])
    asked = {c.id for m in _said(traces) for c in m.tool_calls}
    answered = {m.tool_call_id for t, s in _spans(traces, "llm") for m in t.inputs(s) if m.role == "tool"}
    if CLIENTS[client].call_ids and None not in asked:
        assert answered <= asked
    assert None not in answered


@pytest.mark.parametrize(("client", "conversation"), OF_TRUTH)
def test_what_the_model_was_told_that_tools_returned(client: str, conversation: str) -> None:
    told = truth()["conversations"][conversation]
    traces = instrumented_traces(client, conversation)
    expected = CLIENTS[client]
    results = [t["result"] for t in told["tools"] if "result" in t]
    if not expected.messages or not results or (conversation == "h" and expected.missing_calls_in_h):
        return
    heard = [_value(m.content) for t, s in _spans(traces, "llm") for m in t.inputs(s) if m.role == "tool"]
    assert all(result in heard for result in results)
    assert all(found in results for found in heard)


@pytest.mark.parametrize(("client", "conversation"), OF_TRUTH)
def test_what_tools_did(client: str, conversation: str) -> None:
    expected, told = CLIENTS[client], truth()["conversations"][conversation]
    traces = instrumented_traces(client, conversation)
    spans = [span for _, span in _spans(traces, "tool")]
    tools = [t for t in told["tools"] if expected.tool_spans and (expected.unknown_tool_span or "unknown" not in t)]
    assert Counter(span.tool_name for span in spans) == Counter(t["name"] for t in tools)
    if expected.arguments:
        done = Counter((span.tool_name, orjson.dumps(span.arguments)) for span in spans)
        assert done == Counter((t["name"], orjson.dumps(t["arguments"])) for t in tools)
    for tool in tools:
        if "result" in tool and expected.arguments:
            found = [span for span in spans if span.arguments == tool["arguments"]]
            assert [_value(span.result) for span in found] == [tool["result"]]
            assert all(span.status != "error" and span.error_type is None for span in found)
        if "raises" in tool:
            assert [span.status for span in spans] == ["error"]
            assert [span.error_type for span in spans] == [expected.raised_error_type]
            assert "Paris" not in str(spans[0].result)
    ids = [span.tool_call_id for span in spans]
    raised_in_adk = client.startswith("adk") and conversation in ("c", "g")
    if not raised_in_adk or expected.messages:
        assert all(ids) and len(set(ids)) == len(ids)


@pytest.mark.parametrize(("client", "conversation"), OF_TRUTH)
def test_models_tokens_and_reasons_of_calls(client: str, conversation: str) -> None:
    expected = CLIENTS[client]
    traces = instrumented_traces(client, conversation)
    calls = [(t, s) for t, s in _calls(traces) if s.status != "error"]
    streaming = conversation == "f"
    returned = expected.returned_streaming if streaming else expected.returned
    detached = expected.requested is None and streaming and client == "litellm-otel"
    for _, span in calls:
        assert span.request_model == (REQUESTED if detached else expected.requested)
        assert span.response_model == returned or (span.usage and expected.calls_per_reply == 2)
    counted = [span.usage for _, span in calls if span.usage]
    if not (streaming and not expected.streaming_tokens):
        assert len(counted) * expected.calls_per_reply == len(calls)
        assert all(usage.input_tokens > 0 and usage.output_tokens > 0 for usage in counted)
    if expected.same_tokens and conversation in ("a", "d") and counted:
        theirs = [s.usage for _, s in _calls(instrumented_traces("openai-v2", conversation))]
        assert [(u.input_tokens, u.output_tokens) for u in counted] == [
            (u.input_tokens, u.output_tokens) for u in theirs
        ]
    on_tools, on_text = expected.finish_streaming if streaming else expected.finish
    for trace, span in calls:
        messages = list(trace.outputs(span))
        if messages:
            reason = on_tools if any(m.tool_calls for m in messages) else on_text
            assert span.finish_reasons == ((reason,) if reason else ())


@pytest.mark.parametrize("client", CLIENTS)
def test_parents_do_not_count_tokens_again(client: str) -> None:
    for conversation in ("a", "d", "h"):
        for trace in instrumented_traces(client, conversation):
            assert all(span.usage is None for span in trace.spans if span.kind != "llm")
            for span in trace.spans:
                above = trace.by_id.get(span.parent_id or "")
                while span.usage and above is not None:
                    assert above.usage is None
                    above = trace.by_id.get(above.parent_id or "")


@pytest.mark.parametrize("client", CLIENTS)
def test_errors(client: str) -> None:
    expected = CLIENTS[client]
    failed = [s for _, s in _spans(instrumented_traces(client, "e2"), "llm")]
    if client == "litellm-otel":
        failed = [s for _, s in _spans(instrumented_traces(client, "e2"), "agent")]
    assert {(s.status, s.error_type) for s in failed} == {("error", expected.failed_call_error)}
    assert all(s.usage is None and s.response_model is None for s in failed)
    if expected.tool_spans:
        agents = [s for _, s in _spans(instrumented_traces(client, "c"), "agent")]
        assert any(s.status == "error" for s in agents) == expected.aborts
    retried = [s for _, s in _spans(instrumented_traces(client, "e1"), "llm")]
    assert all(s.status != "error" for s in retried)


@pytest.mark.parametrize("client", CLIENTS)
def test_session_user_agent_definitions_and_first_token(client: str) -> None:
    expected = CLIENTS[client]
    for conversation, session in expected.session.items():
        for trace in instrumented_traces(client, conversation):
            assert bool(trace.session_id) if session == "" else trace.session_id == session
            if conversation == "h":
                assert trace.user_id == expected.user
    traces = instrumented_traces(client, "a")
    agents = {s.agent_name for _, s in _spans(traces, "agent")}
    assert expected.agent in agents or (expected.agent is None and not agents)
    defined = [trace.tools(span) for trace, span in _calls(traces) if span.input_messages or not expected.messages]
    names = [[tool["name"] for tool in tools] for tools in defined]
    assert all(found == (["get_weather"] if expected.definitions else []) for found in names)
    if expected.definitions and client != "adk":
        assert all(tools[0]["parameters"]["required"] == ["city"] for tools in defined)
    times = [s.time_to_first_token_s for _, s in _spans(instrumented_traces(client, "f"), "llm")]
    assert all(t is not None and 0.05 < t < 1 for t in times) == expected.streaming_ttft


@pytest.mark.parametrize("client", CLIENTS)
def test_a_root_and_its_project(client: str) -> None:
    for trace in instrumented_traces(client, "a"):
        assert trace.root is not None and trace.root.parent_id is None
        assert trace.project == f"weather-{client.removesuffix('/json')}"
        assert trace.environment == "environment"
        assert not trace.incomplete and trace.revision == len(trace.spans)


@pytest.mark.parametrize("client", ["oi-openai", "oi-openai/json", "oi-openai-responses"])
def test_an_attribute_limit_marks_its_span(client: str) -> None:
    cut = [(t, s) for t, s in _spans(instrumented_traces(client, "i"), "llm") if s.truncated]
    assert cut
    for trace, span in cut:
        messages = list(trace.inputs(span))
        assert not any(m.role == "user" and (m.content == SYSTEM or m.parts) for m in messages)
        assert all(call.name for m in messages for call in m.tool_calls)
        assert span.output_messages and span.response_model and span.usage


@pytest.mark.parametrize("client", ["openai-agents", "openai-agents-chat"])
def test_four_turns_in_one_trace(client: str) -> None:
    (trace,) = instrumented_traces(client, "h2")
    assert len(_calls((trace,))) == 5
    assert [s.tool_name for _, s in _spans((trace,), "tool")] == ["get_weather"]


def test_a_retried_tool_keeps_the_text_it_answered_with() -> None:
    for client in ("pydantic-ai", "pydantic-ai-v2", "pydantic-ai-responses"):
        (span,) = [s for _, s in _spans(instrumented_traces(client, "c2"), "tool")]
        assert (span.status, span.result) == ("error", "unknown city: Atlantis")
        assert span.error_type == "pydantic_ai.exceptions.ToolRetryError"


def test_merging_parallel_answers_is_no_tool_call() -> None:
    for client in ("adk", "adk-content", "adk-schema1"):
        (trace,) = instrumented_traces(client, "d")
        assert [s.kind for s in trace.spans if s.name == "execute_tool (merged)"] == ["other"]
        assert len(_spans((trace,), "tool")) == 2


def test_a_raw_call_counts_only_where_no_call_describes_it() -> None:
    (alone,) = instrumented_traces("litellm-otel", "d")
    assert [s.kind for s in alone.spans if s.name == "raw_gen_ai_request"] == ["llm", "llm"]
    (described,) = instrumented_traces("litellm-otel-reqspan", "d")
    assert [s.kind for s in described.spans if s.name == "raw_gen_ai_request"] == ["other", "other"]
