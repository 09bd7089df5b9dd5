"""The views that others query: columns, resolved messages, and what is current."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from schemas.ids import fingerprint
from schemas.score import Score
from schemas.session import SessionClosed, SessionMember
from schemas.trace import Span
from sinks.warehouse import TraceDecisions, Warehouse
from tests.sinks.making import T0, as_json, at, conversation, score, span, trace


def rows(warehouse: Warehouse, sql: str) -> list[dict[str, Any]]:
    with warehouse.database.read() as connection:
        return [dict(row) for row in connection.execute(text(sql)).mappings()]


def store(warehouse: Warehouse, *scores: Score) -> None:
    warehouse.write_decisions([TraceDecisions(s.trace_id, [s]) for s in scores])


def current(warehouse: Warehouse) -> list[tuple[str, str, str | None, float | None]]:
    found = rows(warehouse, "SELECT * FROM v_scores_current ORDER BY evaluator, target_id, value")
    return [(r["evaluator"], r["target"], r["span_id"], r["value"]) for r in found]


def test_every_field_of_a_span_is_a_column(warehouse: Warehouse) -> None:
    warehouse.store_traces([conversation("t1")])
    columns = set(rows(warehouse, "SELECT * FROM v_spans")[0])
    assert columns > set(Span.model_fields)
    assert columns > {"trace_id", "session_id", "project", "environment", "tool_definitions", "input_tokens"}


def test_every_field_of_a_score_is_a_column(warehouse: Warehouse) -> None:
    warehouse.store_traces([conversation("t1")])
    warehouse.remember_evaluators({"ev": "v1"})
    store(warehouse, score("t1", target_digest=conversation("t1").fingerprint, passed=False))
    found = rows(warehouse, "SELECT * FROM v_scores_current")[0]
    assert set(found) > {*Score.model_fields, "score_id"}
    assert as_json(found["source"]) == {"topic": "traces", "partition": 0, "offset": 1, "epoch": 0}
    assert found["passed"] in (False, 0)


def test_messages_and_tools_are_resolved(warehouse: Warehouse) -> None:
    warehouse.store_traces([conversation("t1")])
    found = {r["span_id"]: r for r in rows(warehouse, "SELECT * FROM v_spans")}
    asked, called, told = as_json(found["b"]["input_messages"])
    assert (asked["role"], asked["content"]) == ("user", "Where is my order?")
    assert called["tool_calls"] == [{"name": "search", "arguments": {"order": "A1", "deep": None}, "id": "c1"}]
    assert (told["role"], told["tool_call_id"]) == ("tool", "c1")
    (answer,) = as_json(found["b"]["output_messages"])
    assert (answer["content"], answer["reasoning"]) == ("It was sent. \U0001f4e6", "easy")
    assert as_json(found["b"]["tool_definitions"]) == [{"name": "search", "parameters": {"type": "object"}}]
    assert as_json(found["b"]["usage"]) == {"input_tokens": 11, "output_tokens": 7}
    assert as_json(found["b"]["finish_reasons"]) == ["stop"]
    assert (found["b"]["session_id"], found["b"]["input_tokens"], found["b"]["duration_s"]) == ("s1", 11, 1.0)
    assert as_json(found["c"]["arguments"]) == {"order": "A1", "n": 1e22}
    assert as_json(found["c"]["result"]) == [1, {"status": "sent"}]
    assert as_json(found["c"]["input_messages"]) == []
    assert as_json(found["c"]["tool_definitions"]) == []


def test_only_the_shown_version_of_a_span_is_there(warehouse: Warehouse) -> None:
    warehouse.store_traces([trace("t1", span("a", digest="1")), trace("t1", span("a", digest="2", lasts=9))])
    assert [r["digest"] for r in rows(warehouse, "SELECT digest FROM v_spans")] == ["2"]


def test_a_span_score_is_current_until_the_span_changes(warehouse: Warehouse) -> None:
    warehouse.remember_evaluators({"ev": "v1", "ctx": "v1"})
    first = warehouse.store_traces([trace("t1", span("a", digest="1"), span("b", digest="1"))])["t1"].trace
    for s in ("a", "b"):
        store(warehouse, score("t1", span_id=s, target_digest="1", value=0.1))
        store(warehouse, score("t1", "ctx", span_id=s, target_digest=first.fingerprint, value=0.1))
    assert len(current(warehouse)) == 4
    second = warehouse.store_traces([trace("t1", span("a", digest="2", lasts=9))])["t1"].trace
    assert current(warehouse) == [("ev", "span", "b", 0.1)]
    store(warehouse, score("t1", span_id="a", target_digest="2", value=0.7))
    store(warehouse, score("t1", "ctx", span_id="a", target_digest=second.fingerprint, value=0.8))
    assert current(warehouse) == [
        ("ctx", "span", "a", 0.8),
        ("ev", "span", "a", 0.7),
        ("ev", "span", "b", 0.1),
    ]


def test_a_trace_score_is_current_for_the_newest_revision_and_version(warehouse: Warehouse) -> None:
    warehouse.remember_evaluators({"ev": "v1"})
    warehouse.store_traces([trace("t1", span("a"))])
    store(warehouse, score("t1", target_digest=fingerprint([("a", "digest of a")]), value=0.1))
    assert current(warehouse) == [("ev", "trace", None, 0.1)]
    grown = warehouse.store_traces([trace("t1", span("b"))])["t1"].trace
    assert current(warehouse) == []
    store(warehouse, score("t1", target_digest=grown.fingerprint, value=0.2))
    store(warehouse, score("t1", target_digest=grown.fingerprint, value=0.3, evaluator_version="v2"))
    assert current(warehouse) == [("ev", "trace", None, 0.2)]
    warehouse.remember_evaluators({"ev": "v2"})
    assert current(warehouse) == [("ev", "trace", None, 0.3)]


def test_a_session_score_is_current_for_the_newest_session(warehouse: Warehouse) -> None:
    warehouse.remember_evaluators({"polite": "v1"})

    def grow(trace_id: str, value: float) -> None:
        warehouse.store_traces([trace(trace_id, span("a"))])
        member = SessionMember(session_id="s", trace_id=trace_id, fingerprint="", event_time=T0)
        session = warehouse.store_session(SessionClosed(session_id="s", members=(member,)))
        assert session
        made = {"target": "session", "session_id": "s", "target_digest": session.fingerprint, "value": value}
        store(warehouse, score(trace_id, "polite", **made))

    grow("t1", 0.1)
    grow("t2", 0.2)
    assert current(warehouse) == [("polite", "session", None, 0.2)]


def test_what_people_said_is_current_whatever_came_after(warehouse: Warehouse) -> None:
    warehouse.write_feedback(
        [
            score("t1", "human", kind="human", value=0.1, target_digest="", evaluator_version="author:1"),
            score(
                "t1", "human", kind="human", value=0.6, target_digest="", evaluator_version="author:2", event_time=at(9)
            ),
            score("t1", "human", span_id="a", kind="human", value=0.3, target_digest=""),
        ]
    )
    assert current(warehouse) == [("human", "trace", None, 0.6), ("human", "span", "a", 0.3)]


def test_times_compare_with_the_databases_own_clock(warehouse: Warehouse) -> None:
    warehouse.store_traces([trace("t1", span("a"))])
    hour = (
        "datetime('2026-01-05 13:00', '-1 hour')"
        if warehouse.database.dialect == "sqlite"
        else "timestamptz '2026-01-05 13:00Z' - interval '1 hour'"
    )
    assert len(rows(warehouse, f"SELECT 1 FROM v_spans WHERE start >= {hour}")) == 1
    assert len(rows(warehouse, f'SELECT 1 FROM v_spans WHERE "end" <= {hour}')) == 0


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        ("SELECT * FROM v_scores_current WHERE trace_id = 't7'", "scores_pkey"),
        (
            "SELECT * FROM v_scores_current WHERE evaluator = 'ev3' AND event_time >= '2026-01-05 12:00:00Z' "
            "AND event_time < '2026-01-05 12:00:01Z'",
            "scores_by_",  # by evaluator or by time: for one second of so few rows they cost the same
        ),
        ("SELECT * FROM v_spans WHERE trace_id = 't7'", "spans_pkey"),
    ],
)
def test_views_look_up_instead_of_reading_all(postgres_warehouse: Warehouse, sql: str, index: str) -> None:
    _fill(postgres_warehouse)
    plan = "\n".join(r["QUERY PLAN"] for r in rows(postgres_warehouse, f"EXPLAIN {sql}"))
    assert index in plan, plan
    assert "Seq Scan on scores" not in plan
    assert "Seq Scan on spans" not in plan


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("SELECT * FROM v_scores_current WHERE trace_id = 't7'", "SEARCH s USING PRIMARY KEY (trace_id=?)"),
        (
            "SELECT * FROM v_scores_current WHERE evaluator = 'ev3' AND event_time >= '2026-01-05 12:00'",
            "SEARCH s USING INDEX scores_by_evaluator (evaluator=? AND event_time>?)",
        ),
        ("SELECT * FROM v_spans WHERE trace_id = 't7'", "SEARCH s USING INDEX"),
    ],
)
def test_views_look_up_on_sqlite(sqlite_warehouse: Warehouse, sql: str, found: str) -> None:
    plan = "\n".join(r["detail"] for r in rows(sqlite_warehouse, f"EXPLAIN QUERY PLAN {sql}"))
    assert found in plan
    assert "SCAN s" not in plan.replace("SCAN sessions", "")


def _fill(warehouse: Warehouse) -> None:
    traces = [trace(f"t{i}", span("a", second=i), span("b", second=i)) for i in range(400)]
    warehouse.store_traces(traces)
    warehouse.write_decisions(
        [
            TraceDecisions(
                t.trace_id,
                [
                    score(t.trace_id, f"ev{e}", span_id=s.span_id, target_digest=s.digest, event_time=s.end)
                    for e in range(5)
                    for s in t.spans
                ],
            )
            for t in traces
        ]
    )
    warehouse.remember_evaluators({f"ev{e}": "v1" for e in range(5)})
    with warehouse.database.write() as connection:
        connection.execute(text("ANALYZE"))
