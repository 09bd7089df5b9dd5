"""Dimensions of a trace, and one measurement per (trace, evaluator, segment)."""

from __future__ import annotations

import random
from typing import Any

import pytest

from drift.segments import MAX_VALUE_CHARS, MAX_VALUES_PER_DIMENSION, dimension_names, dimensions, measurements
from schemas.measurement import Measurement
from schemas.score import Score
from schemas.settings import MonitorSettings
from schemas.trace import Span, Trace
from tests.drift.streams import START, at


def span(span_id: str, kind: str = "tool", **fields: Any) -> Span:
    return Span(span_id=span_id, name=span_id, kind=kind, start=START, end=at(1), **fields)  # type: ignore[arg-type]


def trace(*spans: Span, **fields: Any) -> Trace:
    return Trace(trace_id="t", spans=spans, project="shop", environment="production", **fields)


def score(span_id: str | None = None, **fields: Any) -> Score:
    given: dict[str, Any] = {
        "trace_id": "t",
        "target": "span" if span_id else "trace",
        "span_id": span_id,
        "project": "shop",
        "environment": "production",
        "evaluator": "ok",
        "evaluator_version": "1",
        "status": "scored",
        "event_time": START,
    }
    return Score(**given | fields)


def summary(found: list[Measurement]) -> list[tuple[Any, ...]]:
    return [
        (m.segment.evaluator, m.segment.dimension, m.segment.dimension_value, m.outcome, m.value, m.passed)
        for m in found
    ]


AGENTS = trace(
    span("root", "agent", agent_name="planner"),
    span("m1", "llm", parent_id="root", request_model="gpt-4o", response_model="gpt-4o-2024", prompt_name="p"),
    span("sub", "agent", parent_id="root", agent_name="booker"),
    span("m2", "llm", parent_id="sub", request_model="mini", attributes={"tier": "gold"}),
    span("a", tool_name="search", parent_id="sub"),
    span("b", tool_name="search", parent_id="root"),
    span("c", tool_name="book", parent_id="sub"),
    user_id="u1",
    session_id="s1",
    resource={"region": "eu", "shard": 7, "canary": True},
)


def test_dimensions_of_a_trace() -> None:
    names = ["tool", "model", "prompt_name", "prompt_version", "agent", "user_id", "session", "region", "shard"]
    found = dimensions(AGENTS, [*names, "canary", "tier", "absent"])
    assert found == {
        "tool": {"book": ("c",), "search": ("a", "b")},
        "model": {"gpt-4o-2024": ("m1",), "mini": ("m2",)},
        "prompt_name": {"p": None},
        "agent": {"booker": ("a", "c", "m2", "sub"), "planner": ("b", "m1", "root")},
        "user_id": {"u1": None},
        "session": {"s1": None},
        "region": {"eu": None},
        "shard": {"7": None},
        "canary": {"true": None},
        "tier": {"gold": None},
    }


def test_the_only_model_of_a_trace_belongs_to_all_of_it() -> None:
    found = dimensions(trace(span("m", "llm", response_model="gpt"), span("a", tool_name="x")), ["model"])
    assert found == {"model": {"gpt": None}}


def test_agents_in_a_cycle_end() -> None:
    found = dimensions(trace(span("a", "agent", parent_id="b"), span("b", "agent", parent_id="a")), ["agent"])
    assert found == {}


def test_values_are_bounded_and_stay_different() -> None:
    long = [span(f"s{i}", tool_name="x" * 5000 + str(i)) for i in range(2)]
    values = dimensions(trace(*long), ["tool"])["tool"]
    assert len(values) == 2
    assert all(len(v) == MAX_VALUE_CHARS for v in values)


def test_too_many_values_of_one_trace_become_other() -> None:
    spans = [span(f"s{i:03}", tool_name=f"tool{i % 100}") for i in range(150)]
    values = dimensions(trace(*spans), ["tool"])["tool"]
    assert len(values) == MAX_VALUES_PER_DIMENSION
    assert sum(len(ids or ()) for ids in values.values()) == 150
    assert len(values["other"] or ()) == 150 - 50 * 2 - 13


def test_one_measurement_a_segment_however_many_spans() -> None:
    dims = dimensions(AGENTS, ["tool", "user_id"])
    scores = [score("a", value=1, passed=True), score("b", value=0, passed=False), score("c", value=1, passed=True)]
    assert summary(measurements(scores, dims, ["tool", "user_id"], [])) == [
        ("ok", None, None, "scored", pytest.approx(2 / 3), False),
        ("ok", "tool", "book", "scored", 1.0, True),
        ("ok", "tool", "search", "scored", 0.5, False),
        ("ok", "user_id", "u1", "scored", pytest.approx(2 / 3), False),
    ]


def test_a_trace_score_counts_for_every_value_in_the_trace() -> None:
    found = measurements([score(passed=True)], dimensions(AGENTS, ["tool"]), ["tool"], [])
    assert [m.segment.dimension_value for m in found] == [None, "book", "search"]


def test_spans_of_no_listed_value_make_no_segment() -> None:
    found = measurements([score("m1", passed=True)], dimensions(AGENTS, ["tool"]), ["tool"], [])
    assert [m.segment.dimension for m in found] == [None]


def test_crosses_only_where_listed() -> None:
    names = dimension_names(MonitorSettings(dimensions=("tool",), crosses=(("tool", "agent"),)))
    assert names == ("tool", "agent")
    scores = [score(s, passed=True) for s in "abc"]
    found = measurements(scores, dimensions(AGENTS, names), ["tool"], [("tool", "agent")])
    assert [(m.segment.dimension, m.segment.dimension_value) for m in found] == [
        (None, None),
        ("tool", "book"),
        ("tool", "search"),
        ("tool+agent", "book+booker"),
        ("tool+agent", "search+booker"),
        ("tool+agent", "search+planner"),
    ]


def test_values_in_a_cross_cannot_be_confused() -> None:
    dims = {"a": {"x+y": None, "x": None}, "b": {"z": None, "y+z": None}}
    found = measurements([score()], dims, [], [("a", "b")])
    assert len({m.segment.key for m in found}) == len(found) == 5


def test_failed_and_skipped_only_without_a_scored_one() -> None:
    dims = dimensions(AGENTS, ["tool"])
    scores = [
        score("a", status="failed", error_type="Timeout"),
        score("b", status="skipped", skip_reason="budget"),
        score("c", value=1.0, passed=True),
    ]
    assert [m.outcome for m in measurements(scores, dims, ["tool"], [])] == ["scored", "scored", "failed"]
    assert [m.outcome for m in measurements(scores[1:2], {}, [], [])] == ["skipped"]


def test_values_that_are_no_numbers_are_left_out_of_the_mean() -> None:
    scores = [score("a", value=float("nan")), score("b", value=0.5), score("c", label="x")]
    (found,) = measurements(scores, {}, [], [])
    assert (found.value, found.passed) == (0.5, None)


def test_inclusion_vector_and_time_are_carried() -> None:
    scores = [score("a", inclusion_probability=0.25, event_time=at(3)), score("b", inclusion_probability=0.25)]
    vectors = {scores[0].key: (1.0, 0.0), scores[1].key: (0.0, 1.0)}
    (found,) = measurements(scores, {}, [], [], vectors)
    assert (found.inclusion_probability, found.vector, found.event_time) == (0.25, (0.5, 0.5), at(3))


def test_order_depends_on_the_content_alone() -> None:
    dims = dimensions(AGENTS, ["tool", "agent"])
    scores = [score(s, evaluator=e, value=0.1 * i) for i, s in enumerate("abc") for e in ("two", "one")]
    expected = measurements(scores, dims, ["tool", "agent"], [("tool", "agent")])
    for seed in range(5):
        mixed = random.Random(seed).sample(scores, len(scores))
        assert measurements(mixed, dims, ["tool", "agent"], [("tool", "agent")]) == expected
    assert expected[0].segment.evaluator == "one"


def test_no_scores_no_measurements() -> None:
    assert measurements([], dimensions(AGENTS, ["tool"]), ["tool"], []) == []
