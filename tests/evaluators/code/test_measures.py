"""latency, tokens and cost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from schemas.trace import Usage
from tests.evaluators.making import START, Writer, decide, said, score_of, scores_of, suite_of

PRICES = """prices:
  gpt-4o: {input_per_mtok: 2, output_per_mtok: 10}
  gpt-4o-*: {input_per_mtok: 3, output_per_mtok: 10, cached_input_per_mtok: 1}
  gpt-*: {input_per_mtok: 100, output_per_mtok: 100}
"""


def test_latency() -> None:
    trace = Writer().llm("a", end=START + timedelta(seconds=3)).tool().span("agent").trace()
    scores = scores_of("[{type: latency, options: {max_s: 1}}]", trace)
    assert [(s.span_id, s.value, s.label) for s in scores] == [("s0", 3.0, "slow"), ("s1", 0.5, "within")]
    (kind,) = scores_of("[{type: latency, options: {max_s_by_kind: {llm: 5}}}]", trace)
    assert (kind.span_id, kind.passed) == ("s0", True)
    (whole,) = scores_of("[{type: latency, target: trace}]", trace)
    assert (whole.value, whole.passed) == (3.0, None)


@pytest.mark.parametrize(
    ("options", "value", "label"),
    [
        ("{}", 12.0, None),
        ("{count: output}", 2.0, None),
        ("{max_input: 9}", 12.0, "too_many_input"),
        ("{max_total: 12, max_output: 2}", 12.0, "within"),
    ],
)
def test_tokens(options: str, value: float, label: str | None) -> None:
    score = score_of(f"{{type: tokens, options: {options}}}", said("a", usage=(10, 2)))
    assert (score.value, score.label) == (value, label)
    assert score.attributes == {"input": 10, "output": 2, "total": 12}


def test_tokens_of_a_trace_are_the_sum_and_never_a_part_of_it() -> None:
    entry = "{type: tokens, target: trace}"
    writer = Writer().llm("a", usage=(10, 2)).llm("", status="error").llm("b", usage=(5, 1))
    assert score_of(entry, writer.trace()).value == 18.0
    unknown = score_of(entry, writer.llm("c").trace())
    assert (unknown.status, unknown.skip_reason) == ("skipped", "no_usage")
    with pytest.raises(ValidationError):  # what is no count never reaches an evaluator
        said("a", usage=(-5, 1))
    assert scores_of(f"[{entry}]", Writer().tool().trace()) == []


@pytest.mark.parametrize(
    ("response", "request_", "dollars"),
    [
        ("gpt-4o", None, 2.0 + 0.1),
        ("gpt-4o-2024-08-06", "gpt-4o", 3.0 + 0.1),
        ("gpt-5", None, 100.0 + 1.0),
        ("tuned", "gpt-4o", 2.0 + 0.1),
        ("claude", None, None),
        (None, None, None),
    ],
)
def test_cost(response: str | None, request_: str | None, dollars: float | None) -> None:
    trace = said("a", usage=(1_000_000, 10_000), response_model=response, request_model=request_)
    score = score_of("{type: cost}", trace, more=PRICES)
    assert (score.value, score.skip_reason) == (dollars, None if dollars else "no_price")


def test_cost_of_cached_tokens_of_traces_and_beyond_a_limit() -> None:
    writer = Writer().llm("a", usage=(1_000_000, 0), response_model="gpt-4o-x")
    trace = writer.trace()
    usage = Usage(input_tokens=1_000_000, output_tokens=0, cached_input_tokens=400_000)
    cached = trace.model_copy(update={"spans": (trace.spans[0].model_copy(update={"usage": usage}),)})
    assert score_of("{type: cost}", cached, more=PRICES).value == pytest.approx(0.6 * 3 + 0.4)
    whole = writer.llm("b", usage=(0, 100_000), response_model="gpt-4o").trace()
    score = score_of("{type: cost, target: trace, options: {max_usd: 3.5}}", whole, more=PRICES)
    assert (score.value, score.passed, score.label) == (4.0, False, "too_dear")


def test_retries_that_failed_cost_nothing_and_hide_nothing() -> None:
    trace = Writer().llm(status="error", request_model="x").llm("a", usage=(10, 1), request_model="gpt-4o").trace()
    scores = decide(suite_of("[{type: cost}, {type: cost, name: whole, target: trace}]", more=PRICES), trace).scores
    assert [(s.evaluator, s.span_id, s.status) for s in scores] == [("cost", "s1", "scored"), ("whole", None, "scored")]
