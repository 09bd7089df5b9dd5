"""Coverage by evaluator and segment, and what calls cost by whom."""

from __future__ import annotations

from sinks.warehouse import TraceDecisions, Warehouse
from tests.sinks.making import score, span, trace


def filled(warehouse: Warehouse) -> None:
    warehouse.remember_evaluators({"ev": "v1", "cost": "v1"})
    spans = [span("a", tool_name="search"), span("b", tool_name="search"), span("c", tool_name="book")]
    warehouse.store_traces([trace("t1", *spans, user_id="ann", resource={"team": "sales"})])
    rows = [
        score("t1", span_id="a", target_digest="digest of a", passed=True),
        score(
            "t1",
            span_id="b",
            target_digest="digest of b",
            status="skipped",
            skip_reason="learning",
            passed=None,
            value=None,
        ),
        score(
            "t1",
            span_id="c",
            target_digest="digest of c",
            status="failed",
            error_type="TooDeep",
            passed=None,
            value=None,
        ),
        score("t1", "cost", span_id="a", target_digest="digest of a", value=0.25, model="m", passed=None),
        score("t1", "cost", span_id="b", target_digest="digest of b", value=0.5, model="m", passed=None),
    ]
    warehouse.write_decisions([TraceDecisions("t1", rows)])


def test_coverage_by_evaluator(warehouse: Warehouse) -> None:
    filled(warehouse)
    cost, ev = warehouse.coverage()
    assert (ev.evaluator, ev.decisions, ev.scored, ev.coverage) == ("ev", 3, 1, 1 / 3)
    assert (dict(ev.skipped), dict(ev.failed)) == ({"learning": 1}, {"TooDeep": 1})
    assert (cost.evaluator, cost.coverage) == ("cost", 1.0)


def test_coverage_by_segment(warehouse: Warehouse) -> None:
    filled(warehouse)
    found = {line.segment: line.as_json() for line in warehouse.coverage(evaluator="ev", by="tool_name")}
    assert {tool: line["coverage"] for tool, line in found.items()} == {"search": 0.5, "book": 0.0}


def test_cost_by_team_and_user(warehouse: Warehouse) -> None:
    filled(warehouse)
    sql = (
        "SELECT t.resource ->> 'team', t.user_id, s.model, sum(s.value) FROM v_scores_current s "
        "JOIN traces t ON t.trace_id = s.trace_id WHERE s.evaluator = 'cost' GROUP BY 1, 2, 3"
    )
    assert [tuple(row) for row in warehouse.query(sql).rows] == [("sales", "ann", "m", 0.75)]
