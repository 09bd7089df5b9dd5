"""retry_storm and rate_limited: calls that are refused, and attempted again."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.trace import SpanEvent
from tests.evaluators.code.sequences import Run, failures, found_and_false, verdict
from tests.evaluators.making import START
from tests.schemas.recorded import needs_shared

FAILED: dict[str, Any] = {"status": "error", "error_type": "429", "status_message": "Rate limit reached for requests"}
DOWN: dict[str, Any] = {"status": "error", "status_message": "connection reset"}


def storm(count: int, *, gap_s: float = 0.5, **fields: Any) -> Run:
    """Failing attempts of one model call, then the answer."""
    run = Run().user("hello").llm("hi").user("book it")
    for index in range(count):
        run.llm(seconds=0.2, **fields).wait(gap_s * 2**index)
    return run.llm("done")


def test_a_storm_of_model_calls() -> None:
    score = verdict("retry_storm", storm(5, **DOWN))
    assert (score.passed, score.value, score.blamed_span_id, score.label) == (False, 5.0, "s1", "chat gpt-4o")
    assert "5 times in a row" in score.explanation and "connection reset" in score.explanation
    assert [evidence.span_id for evidence in score.evidence] == ["s1", "s2", "s3", "s4", "s5"]


def test_what_is_no_storm() -> None:
    assert verdict("retry_storm", storm(2, **DOWN)).passed is True
    assert verdict("retry_storm", storm(2, **DOWN), "{min_failures: 2}").passed is False
    assert verdict("retry_storm", storm(4, gap_s=61, **DOWN)).passed is True
    assert verdict("retry_storm", storm(0)).passed is True
    samples = Run().user("a poem")
    for _ in range(8):  # the same input, answered each time: samples
        samples.step("llm", "chat", 1.0, input_messages=("m0",), output_messages=("m0",), start=START)
    assert verdict("retry_storm", samples).passed is True


def test_failures_of_different_calls_are_no_storm() -> None:
    run = Run()
    for index in range(6):
        run.user(f"question {index}").llm(**DOWN)
    assert verdict("retry_storm", run).passed is True
    tools = Run()
    for index in range(6):
        tools.tool("lookup", {"id": index}, "Error: not found")
    assert verdict("retry_storm", tools).passed is True


def test_nested_spans_of_one_attempt_count_once() -> None:
    run = Run().user("hello")
    for _ in range(2):
        start = run.spans[-1].end if run.spans else START
        run.step("llm", "completion", 1.0, start=start, input_messages=("m0",), **DOWN)
        run.step("llm", "request", 1.0, start=start, input_messages=("m0",), **DOWN)
    assert verdict("retry_storm", run).passed is True


def test_attempts_without_an_answer() -> None:
    run = Run().user("hello").llm("hi").user("more")
    given = (*run.spans[-1].input_messages, "m1", "m2")
    for _ in range(4):
        run.step("llm", "chat", 0.2, input_messages=given)
    assert verdict("retry_storm", run).passed is False


def test_a_storm_of_tool_calls() -> None:
    run = Run().tool("lookup", {"id": 1}, "fine")
    for _ in range(3):
        run.tool("buy", {"id": 1}, "Error: sold out").llm("again")
    score = verdict("retry_storm", run)
    assert (score.passed, score.blamed_span_id, score.label) == (False, "s1", "buy")


@pytest.mark.parametrize(
    "run",
    [
        storm(1, **FAILED),
        storm(1, status="error", error_type="RateLimitError"),
        storm(1, status="error", status_message="Error code: 429 - {'error': {'message': 'slow down'}}"),
        storm(1, status="error", status_message="You exceeded your current quota, please check your plan"),
        storm(1, status="error", status_message="RESOURCE_EXHAUSTED"),
        storm(1, status="error", status_message="ThrottlingException: Too many tokens, please wait"),
        storm(1, status="error", attributes={"http.response.status_code": 429}),
        storm(
            1,
            status="error",
            events=(SpanEvent(name="exception", time=START, attributes={"exception.type": "openai.RateLimitError"}),),
        ),
    ],
)
def test_refused_model_calls(run: Run) -> None:
    score = verdict("rate_limited", run)
    assert (score.passed, score.blamed_span_id, score.value) == (False, "s1", 1.0)
    assert score.evidence[0].quote


@pytest.mark.parametrize(
    "result",
    [
        "429 Too Many Requests",
        "Rate limit exceeded. Retry after 20 s.",
        {"error": {"code": 429, "message": "Too many requests"}},
    ],
)
def test_refused_tool_calls(result: Any) -> None:
    assert failures("rate_limited", Run().tool("lookup", {}, result)) == {"s0": "rate_limited"}


@pytest.mark.parametrize(
    "result",
    [
        "Rate limits: 60 requests per minute for the free tier.",
        {"title": "How to handle 429 Too Many Requests", "body": "Wait, then retry."},
        {"room": 429, "guests": 2},
        "Error: room 4290 not found",
        "Error: flight HAT429 is not available",
    ],
)
def test_results_that_speak_of_limits(result: Any) -> None:
    assert verdict("rate_limited", Run().tool("lookup", {}, result)).passed is True


def test_other_failures_are_no_rate_limits() -> None:
    assert verdict("rate_limited", storm(5, **DOWN)).passed is True
    assert verdict("rate_limited", Run().llm("rate limit", status_message="rate limit")).passed is True


def test_spans_around_a_refused_call_do_not_count() -> None:
    run = Run().step("other", "turn", 1.0, span_id="outer", **FAILED)
    run.step("llm", "chat", 1.0, span_id="inner", parent_id="outer", start=START, **FAILED)
    score = verdict("rate_limited", run)
    assert (score.value, score.blamed_span_id) == (1.0, "inner")


@needs_shared
@pytest.mark.parametrize("evaluator", ["retry_storm", "rate_limited"])
def test_recorded_runs(evaluator: str) -> None:
    assert found_and_false(evaluator, "retry_storm")[:3] == (12, 12, 0)
