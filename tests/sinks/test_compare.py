"""Series of the past, and the traces on both sides of a change with what is known of them."""

from __future__ import annotations

from schemas.measurement import Segment
from sinks.warehouse import TraceDecisions, Warehouse
from tests.sinks.making import at, score, span, trace

SEGMENT = Segment(project="shop", environment="test", evaluator="ev")


def fill(warehouse: Warehouse, count: int = 12, change: int = 8) -> None:
    """Traces one second apart; after the change another model, judge, version and kind of request."""
    warehouse.remember_evaluators({"ev": "v1", "topic": "v1"})
    for i in range(count):
        late = i >= change
        model = span("m", kind="llm", tool_name=None, response_model="b" if late else "a", prompt_version="7")
        tool = span("a", tool_name="book" if late else "search")
        release = {"service.version": "2" if late else "1", "tier": "gold"}
        made = trace(f"t{i:02d}", model, tool, resource=release, user_id=f"u{i % 2}")
        warehouse.store_traces([made])
        common = {"target_digest": made.fingerprint, "event_time": at(i), "project": "shop", "environment": "test"}
        scores = [
            score(f"t{i:02d}", value=0.0 if late else 1.0, passed=not late, model="k" if late else "j", **common),
            score(f"t{i:02d}", "topic", value=None, label="hard" if late else "easy", **common),
        ]
        warehouse.write_decisions([TraceDecisions(f"t{i:02d}", scores)])


def test_both_sides_with_all_that_is_known(warehouse: Warehouse) -> None:
    fill(warehouse)
    before, after = warehouse.around(SEGMENT, at(8), at(11), attributes=["tier"], labelled_by=["topic"])
    assert [one.score for one in before] == [1.0] * 8
    assert [one.score for one in after] == [0.0] * 4
    known = {"prompt_version": "7", "tier": "gold", "evaluator_version": "v1"}
    assert dict(before[0].factors) == known | {
        "model": "a",
        "service.version": "1",
        "user_id": "u0",
        "judge_model": "j",
        "topic": "easy",
    }
    assert {name: after[0].factors[name] for name in ("model", "judge_model", "topic", "service.version")} == {
        "model": "b",
        "judge_model": "k",
        "topic": "hard",
        "service.version": "2",
    }


def test_only_the_traces_of_the_segment_and_the_time(warehouse: Warehouse) -> None:
    fill(warehouse)
    inside = SEGMENT.model_copy(update={"dimension": "tool", "dimension_value": "search"})
    before, after = warehouse.around(inside, at(4), at(9))
    assert (len(before), len(after)) == (4, 4)
    assert warehouse.around(SEGMENT.model_copy(update={"evaluator": "nobody"}), at(4), at(9)) == ([], [])


def test_several_models_in_one_trace_are_a_value_of_their_own(warehouse: Warehouse) -> None:
    fill(warehouse, 2, 1)
    mixed = trace("t00", span("n", kind="llm", tool_name=None, response_model="c"))
    warehouse.store_traces([mixed])
    before, _ = warehouse.around(SEGMENT, at(1), at(2))
    assert before[0].factors["model"] == "a + c"


def test_a_series_has_one_row_a_trace(warehouse: Warehouse) -> None:
    warehouse.remember_evaluators({"ev": "v1"})
    made = trace("t", span("a"), span("b"), span("c"))
    warehouse.store_traces([made])
    common = {"project": "shop", "environment": "test"}
    scores = [
        score("t", span_id=name, value=value, passed=passed, label=label, event_time=at(second), **common)
        for name, value, passed, label, second in (
            ("a", 1.0, True, "x", 1),
            ("b", 0.5, False, "y", 3),
            ("c", 0.0, True, "y", 2),
        )
    ]
    warehouse.write_decisions([TraceDecisions("t", scores)])
    (one,) = warehouse.series(SEGMENT)
    assert (one.value, one.passed, one.label, one.event_time) == (0.5, False, "y", at(3))
    assert warehouse.series(SEGMENT, until=at(1)) == []
    assert warehouse.scored_segments() == [SEGMENT]
    assert warehouse.scored_segments(evaluator="nobody") == []
