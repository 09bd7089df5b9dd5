"""tool_call_schema_valid and unknown_tool."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.trace import ToolCall, Trace
from tests.evaluators.code.recorded import labels, runs
from tests.evaluators.making import WEATHER, Writer, decide, scores_of, suite_of
from tests.schemas.recorded import instrumented_records, instrumented_traces, needs_instrumented, needs_shared

BOTH = "[{type: tool_call_schema_valid, name: valid}, {type: unknown_tool, name: known}]"


def called(name: str = "weather", arguments: Any = None) -> Writer:
    """A model call that asks for a tool."""
    arguments = {"city": "Rome"} if arguments is None else arguments
    return Writer().llm("", calls=[ToolCall(name=name, arguments=arguments, id="c1")], tools=[WEATHER])


def verdicts(trace: Trace) -> list[tuple[str, str | None, str | None]]:
    return [(s.evaluator, s.span_id, s.label or s.skip_reason or s.error_type) for s in scores_of(BOTH, trace)]


def test_one_decision_a_call() -> None:
    assert verdicts(called().trace()) == [("valid", "s0", "valid"), ("known", "s0", "known")]
    for joined in ({"tool_call_id": "c1"}, {"tool_call_id": "other"}, {}):
        trace = called().tool(arguments={"city": "Rome"}, **joined).trace()
        assert verdicts(trace) == [("valid", "s1", "valid"), ("known", "s1", "known")], joined


@pytest.mark.parametrize(
    ("arguments", "label", "path"),
    [
        ({"city": "Rome"}, "valid", ""),
        ({}, "invalid", "arguments"),
        ({"city": 5}, "invalid", "arguments.city"),
        ({"city": ["x"]}, "invalid", "arguments.city"),
        ("", "invalid", "arguments"),
        ('{"city": "Rome"}', "valid", ""),
        ('{"city": "Ro', "no_json", "arguments"),
        ([1], "invalid", "arguments"),
    ],
)
def test_arguments_against_the_definition(arguments: Any, label: str, path: str) -> None:
    run = {"city": "Rome", "injected_by_the_framework": 1}
    trace = called(arguments=arguments).tool(tool_call_id="c1", arguments=run).trace()
    (score,) = [s for s in scores_of(BOTH, trace) if s.evaluator == "valid"]
    assert (score.span_id, score.label, score.passed) == ("s1", label, label == "valid")
    assert not path or (score.evidence[0].path, score.blamed_span_id) == (path, "s1")


@pytest.mark.parametrize(
    ("run", "label"),
    [
        ({"city": 5}, "invalid"),
        ({}, "invalid"),
        ("Rome", "valid"),
        (None, "valid"),
        ({"city": "Rome", "ctx": 1}, "valid"),
    ],
)
def test_what_the_tool_was_run_with(run: Any, label: str) -> None:
    trace = called().tool(tool_call_id="c1", arguments=run).trace()
    assert ("valid", "s1", label) in verdicts(trace)


def test_a_call_id_that_joins_another_tool() -> None:
    other = {"name": "forecast", "parameters": {"type": "object", "required": ["day"]}}
    writer = Writer().llm(
        "", calls=[ToolCall(name="weather", arguments={"city": "x"}, id="c1")], tools=[WEATHER, other]
    )
    trace = writer.tool("forecast", tool_call_id="c1", arguments={}).trace()
    assert verdicts(trace) == [("valid", "s1", "invalid"), ("known", "s1", "known")]


def test_invented_tools() -> None:
    without_span = called("wether").trace()
    (score,) = [s for s in scores_of(BOTH, without_span) if s.evaluator == "known"]
    assert (score.span_id, score.passed, score.evidence[0].quote) == ("s0", False, "wether")
    assert "the nearest is 'weather'" in score.explanation
    with_span = called("fly").tool("fly", tool_call_id="c1")
    assert verdicts(with_span.trace()) == [("known", "s1", "unknown")]


def test_names_given_by_the_framework_are_no_invention() -> None:
    trace = called().tool("functions.weather", tool_call_id="c1", arguments={"city": "Rome"}).trace()
    assert verdicts(trace) == [("valid", "s1", "valid"), ("known", "s1", "known")]


def test_what_the_program_calls_by_itself_is_no_target() -> None:
    trace = called().tool("weather", tool_call_id="c1").tool("write_log", arguments={"x": 1}).trace()
    assert {span for _, span, _ in verdicts(trace)} == {"s1"}


def test_definitions_that_nobody_tells() -> None:
    unknown = Writer().llm("", calls=[ToolCall(name="x", id="c")]).tool("x", tool_call_id="c").trace()
    decided = decide(suite_of(BOTH), unknown)
    assert decided.scores == [] and decided.passed_over == {"valid": "no_target", "known": "no_target"}


def test_definitions_on_a_span_around_or_inside_the_model_call() -> None:
    from schemas.ids import plain_digest

    digest = plain_digest([WEATHER])
    for definer in ("s0", "s2"):
        writer = Writer().span("agent", tool_set=digest if definer == "s0" else None)
        writer.llm("", calls=[ToolCall(name="fly", id="c")], parent_id="s0")
        writer.span("other", parent_id="s1", tool_set=digest if definer == "s2" else None)
        trace = writer.trace().model_copy(update={"tool_sets": {digest: (WEATHER,)}})
        assert verdicts(trace) == [("known", "s1", "unknown")], definer


def test_content_that_is_not_captured() -> None:
    writer = Writer().llm(tools=[WEATHER]).tool("weather", arguments={"city": 5}).tool("fly").tool("weather")
    assert verdicts(writer.trace()) == [
        ("valid", "s1", "invalid"),
        *[("known", "s1", "known"), ("known", "s2", "unknown"), ("known", "s3", "known")],
    ]


def test_truncated_spans_and_unusable_definitions_are_skipped() -> None:
    cut = Writer().llm(tools=[WEATHER]).tool("weather", truncated=True).trace()
    assert ("valid", "s1", "truncated") in verdicts(cut)
    for parameters in ({"type": "nonsense"}, {"$ref": "http://example.com/x.json"}, {"pattern": "("}):
        odd = {"name": "weather", "parameters": parameters}
        trace = Writer().llm(tools=[odd]).tool("weather", arguments={}).trace()
        assert ("valid", "s1", "unusable_definition") in verdicts(trace), parameters


def test_call_ids_that_repeat() -> None:
    """An id that several calls share joins by equal arguments; where none are equal, the tool span speaks for itself."""
    writer = Writer()
    for written, run in (({"city": "Rome"}, {"city": "Rome"}), ({"city": 5}, {"city": 5}), ({}, {"city": "Bonn"})):
        writer.llm("", calls=[ToolCall(name="weather", arguments=written, id="same")], tools=[WEATHER])
        writer.tool("weather", tool_call_id="same", arguments=run)
    valid = [(span, label) for name, span, label in verdicts(writer.trace()) if name == "valid"]
    assert valid == [("s1", "valid"), ("s3", "invalid"), ("s5", "valid")]


FAULTS = {"unknown_tool": "known", "missing_argument": "valid", "wrong_argument_type": "valid"}


@needs_shared
def test_recorded_faults_are_found_at_their_step_and_nothing_else_is() -> None:
    suite, fault_of = suite_of(BOTH), {label["span_id"]: label["fault"] for label in labels("airline_dev_faults")}
    found, wrong, judged = dict.fromkeys(FAULTS, 0), [], 0
    for trace in runs("airline_dev_faults"):
        for score in decide(suite, trace).scores:
            judged += 1
            fault = fault_of.get(score.span_id or "")
            if score.passed is False and FAULTS.get(fault or "") == score.evaluator:
                found[fault or ""] += 1
            elif score.passed is not True:
                wrong.append((fault, score.evaluator, score.explanation))
    assert found == dict.fromkeys(FAULTS, 12)
    assert not wrong and judged > 1_500


@needs_shared
def test_clean_runs_raise_no_alarm() -> None:
    suite = suite_of(BOTH)
    scores = [score for trace in runs("airline_dev") for score in decide(suite, trace).scores]
    assert len(scores) == 2 * 621
    assert {score.passed for score in scores} == {True}


@needs_instrumented
@pytest.mark.parametrize(
    "client", ["genai-openai", "oi-openai", "traceloop", "pydantic-ai", "langchain", "litellm-otel"]
)
def test_a_tool_that_does_not_exist_is_found_in_real_clients(client: str) -> None:
    assert (client, "g") in instrumented_records()
    (trace,) = instrumented_traces(client, "g")
    found = [s for s in decide(suite_of(BOTH), trace).scores if s.evaluator == "known"]
    assert [(s.passed, s.evidence[0].quote) for s in found] == [(False, "book_table")]
    for (other, conversation), _ in instrumented_records().items():
        if other == client and conversation != "g":
            for trace in instrumented_traces(client, conversation):
                assert {s.passed for s in decide(suite_of(BOTH), trace).scores} <= {True}, conversation
