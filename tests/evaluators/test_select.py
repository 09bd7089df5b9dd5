"""Filters and sampling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from evaluators.fields import SPAN_FIELDS, TRACE_FIELDS
from evaluators.select import FUNCTIONS, Filter, Views
from schemas.trace import Trace
from tests.evaluators.making import Writer
from tests.evaluators.random_traces import nested, traces

TRACE = (
    Writer(user_id="u1")
    .span("agent", name="run", agent_name="clerk", attributes={"tier": "gold"})
    .llm("hi", parent_id="s0", request_model="m", response_model="m-1", usage=(10, 2), finish_reasons=("stop",))
    .tool(
        "search",
        parent_id="s0",
        arguments={"q": "x", "n": 3},
        result=["a"],
        status="error",
        attributes={"http.code": 503},
    )
    .trace(resource={"service.name": "shop", "region": "eu"})
)


def passes(expression: str, span: int = 1, trace: Trace = TRACE) -> bool | None:
    return Filter(expression, "span").passes(Views(trace), trace.spans[span])


@pytest.mark.parametrize(
    ("expression", "span", "expected"),
    [
        ('span.kind == "llm"', 1, True),
        ('span.kind == "llm"', 2, False),
        ('span.tool_name == "search" && span.arguments.n > 2', 2, True),
        ('span.tool_name in ["search", "find"]', 2, True),
        ('span.tool_name == "search"', 1, False),
        ("span.tool_name == null", 1, True),
        ('span.attributes["http.code"] >= 500', 2, True),
        ('"http.code" in span.attributes && span.attributes["http.code"] >= 500', 1, False),
        ("has(span.attributes.tier)", 0, True),
        ('span.result.exists(x, x == "a")', 2, True),
        ("span.duration_s < 1", 1, True),
        ("span.input_tokens + span.output_tokens == 12", 1, True),
        ('span.response_model.startsWith("m")', 1, True),
        ('span.name.matches("^r[un]+$")', 0, True),
        ('"stop" in span.finish_reasons', 1, True),
        ("trace.span_count == 3 && trace.error_count == 1", 1, True),
        ('trace.tool_names == ["search"] && "m-1" in trace.models && "clerk" in trace.agent_names', 1, True),
        ('trace.root.attributes.tier == "gold" && trace.root.kind == "agent"', 2, True),
        ('resource["service.name"] == "shop" && resource.region == "eu"', 1, True),
        ("trace.duration_s > 2.0", 1, True),
        ('trace.user_id == "u1"', 1, True),
        ("true", 1, True),
        # what a filter cannot say
        ('span.attributes["missing"] == 1', 1, None),
        ("span.kind", 1, None),
        ("1 / 0 == 1", 1, None),
        ('span.tool_name.startsWith("s")', 1, None),
        ('resource["missing"] == 1', 1, None),
        ("span.input_tokens > 5", 2, None),
    ],
)
def test_filters(expression: str, span: int, expected: bool | None) -> None:
    assert passes(expression, span) is expected


def test_every_field_can_be_asked_for() -> None:
    for name in SPAN_FIELDS:
        assert passes(f"span.{name} == span.{name}", 2) is True, name
    for name in TRACE_FIELDS:
        assert passes(f"trace.{name} == trace.{name}") is True, name


def test_fields_in_texts_and_variables_of_macros_are_no_mistakes() -> None:
    assert passes("span.name == 'span.nope' || true") is True
    assert passes('[1, 2].all(item, item > 0) && span.finish_reasons.map(r, r)[0] == "stop"') is True


def test_catastrophic_patterns_are_linear() -> None:
    trace = Writer().llm("x", name="a" * 50_000 + "!").trace()
    assert passes('span.name.matches("(a+)+$")', 0, trace) is False


@pytest.mark.parametrize("depth", [100, 1_000, 20_000])
def test_deep_data_is_cut_before_the_engine_sees_it(depth: int) -> None:
    deep: Any = {"a": nested(depth)}
    trace = Writer().tool(arguments=deep, attributes={"deep": deep}).trace(resource={"deep": deep})
    assert passes("has(span.arguments.b) || has(span.attributes.b) || has(resource.b)", 0, trace) is False


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(trace=traces())
def test_survives_any_trace(trace: Trace) -> None:
    span_fields = " && ".join(f"span.{name} == span.{name}" for name in SPAN_FIELDS)
    trace_fields = " && ".join(f"trace.{name} == trace.{name}" for name in TRACE_FIELDS)
    rule = Filter(f"{span_fields} && {trace_fields} && resource == resource", "span")
    before = repr(trace)
    for span in trace.spans:
        assert rule.passes(Views(trace), span) in (True, False, None)
    assert repr(trace) == before


def test_the_page_on_filters_lists_every_field_and_function() -> None:
    page = (Path(__file__).parents[2] / "docs" / "evaluators" / "filters.md").read_text()
    for name, field in [*SPAN_FIELDS.items(), *TRACE_FIELDS.items()]:
        assert f"| `{name}` | {field.type} | {field.about} |" in page
    for name in FUNCTIONS:
        assert f"`{name}`" in page
