"""What the command line reads, and the small tables."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from schemas.dead_letter import DeadLetter
from schemas.errors import ConfigError
from sinks.warehouse import TraceDecisions, Warehouse
from tests.sinks.making import T0, at, conversation, judge_request, score, source, span, trace
from tests.sinks.test_monitoring import NOTHING, alert, drift_event


def fill(warehouse: Warehouse) -> None:
    warehouse.remember_evaluators({"ev": "v1", "other": "v1"})
    for i in range(4):
        found = trace(f"t{i}", span("a"))
        warehouse.store_traces([found])
        made = {"target_digest": found.fingerprint, "event_time": at(i), "session_id": "s1" if i < 2 else None}
        warehouse.write_decisions(
            [
                TraceDecisions(
                    f"t{i}",
                    [
                        score(f"t{i}", value=float(i), passed=i > 0, **made),
                        score(f"t{i}", evaluator_version="v0", value=9.0, **made),
                        score(f"t{i}", "other", status="failed" if i else "skipped", **made),
                    ],
                    passed_over={"tone": "sampled out"},
                )
            ]
        )


def test_scores_by_filter(warehouse: Warehouse) -> None:
    fill(warehouse)

    def ids(**filters: object) -> list[str]:
        return [s.trace_id for s in warehouse.scores(**filters)]  # type: ignore[arg-type]

    assert ids(evaluator="ev") == ["t3", "t2", "t1", "t0"]
    assert ids(evaluator="ev", limit=2) == ["t3", "t2"]
    assert ids(evaluator="ev", passed=False) == ["t0"]
    assert ids(evaluator="ev", since=at(2)) == ["t3", "t2"]
    assert ids(evaluator="ev", since=at(1), until=at(3)) == ["t2", "t1"]
    assert ids(evaluator="ev", session_id="s1") == ["t1", "t0"]
    assert ids(status="failed") == ["t3", "t2", "t1"]
    assert len(ids(trace_id="t1")) == 2
    assert len(ids(trace_id="t1", current=False)) == 3


def test_summary(warehouse: Warehouse) -> None:
    fill(warehouse)
    ev, other = warehouse.score_summary()
    assert (ev.evaluator, ev.targets, ev.scored, ev.pass_rate, ev.mean, ev.median) == ("ev", 4, 4, 0.75, 1.5, 1.5)
    assert (other.targets, other.scored, other.failed, other.skipped, other.coverage) == (4, 0, 3, 1, 0.0)
    assert (other.pass_rate, other.mean, other.median) == (None, None, None)
    assert warehouse.score_summary(since=at(1))[0].median == 2.0
    assert warehouse.counts()["scores"] == 12
    assert warehouse.counts()["traces"] == 4


def test_why(warehouse: Warehouse) -> None:
    fill(warehouse)
    request = judge_request("t1", "a", source=source(4))
    warehouse.write_decisions([TraceDecisions("t1", requests=[request])])
    why = warehouse.why("t1")
    assert why is not None
    assert (why.trace["root_name"], why.trace["revision"], why.trace["start"]) == ("span a", 1, T0)
    assert len(why.decisions) == 3
    assert {(k.evaluator, k.evaluator_version) for k in why.current} == {("ev", "v1"), ("other", "v1")}
    assert why.in_flight == [request]
    assert why.passed_over == {"tone": "sampled out"}
    assert why.measured == ("ev",)
    assert warehouse.why("unknown") is None


def test_alerts_and_drift_in_order_and_to_follow(warehouse: Warehouse) -> None:
    epoch = warehouse.claim_partition(0).epoch
    raised = [alert(1), alert(2, rule="high"), alert(3, state="OK", previous_state="CRITICAL")]
    events = [drift_event(1), drift_event(2)]
    warehouse.commit_monitor(0, epoch, **{**NOTHING, "alerts": raised, "drift_events": events})
    assert [a.record.sequence for a in warehouse.alerts()] == [3, 2, 1]
    assert [a.record.sequence for a in warehouse.alerts(rule="low", state="OK")] == [3]
    assert [a.record.sequence for a in warehouse.alerts(since=at(2))] == [3, 2]
    first = warehouse.alerts(after=0, limit=1)[0]
    assert first.record == raised[0]
    assert [a.record.sequence for a in warehouse.alerts(after=first.seq)] == [2, 3]
    assert [e.record.observations for e in warehouse.drift_events()] == [2, 1]
    assert [e.record for e in warehouse.drift_events(after=0)] == events
    assert warehouse.drift_events(evaluator="x") == []


def test_query_reads(warehouse: Warehouse) -> None:
    fill(warehouse)
    found = warehouse.query("SELECT trace_id, value FROM v_scores_current WHERE evaluator = 'ev' ORDER BY value", 3)
    assert found.columns == ("trace_id", "value")
    assert list(found.rows) == [("t0", 0.0), ("t1", 1.0), ("t2", 2.0)]
    assert found.truncated
    averaged = warehouse.query("SELECT avg(revision) AS r FROM traces WHERE root_name LIKE 'span%'")
    assert (averaged.rows, averaged.truncated) == ([(1.0,)], False)
    none = warehouse.query("SELECT trace_id FROM traces WHERE trace_id = ''")
    assert (none.columns, none.rows) == (("trace_id",), [])
    assert warehouse.query("WITH x AS (SELECT 1 AS a) SELECT a FROM x").rows == [(1,)]
    assert len(warehouse.query("SELECT * FROM v_spans").rows) == 4


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM scores",
        "INSERT INTO meta VALUES ('a', 'b')",
        "UPDATE scores SET value = 1 RETURNING value",
        "DROP TABLE scores",
        "WITH gone AS (DELETE FROM scores RETURNING 1) SELECT * FROM gone",
        "SELECT 1; DELETE FROM scores",
        "COMMIT; DELETE FROM scores",
        "COMMIT",
        "PRAGMA query_only = OFF",
        "ATTACH DATABASE '/tmp/x.db' AS x",
        "SET TRANSACTION READ WRITE",
        "CREATE TABLE x (a int)",
        "",
        "SELECT nothing",
    ],
)
def test_query_refuses_everything_else(warehouse: Warehouse, sql: str) -> None:
    fill(warehouse)
    before = warehouse.counts()
    with pytest.raises(ConfigError):
        warehouse.query(sql)
    assert warehouse.counts() == before
    warehouse.write_feedback([score("t9", "human", kind="human")])
    assert warehouse.counts()["scores"] == before["scores"] + 1


def test_query_says_that_only_reading_is_allowed(warehouse: Warehouse) -> None:
    with pytest.raises(ConfigError, match="only reading is allowed"):
        warehouse.query("DELETE FROM scores")


def test_query_ends_in_time(warehouse: Warehouse) -> None:
    forever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    started = time.monotonic()
    with pytest.raises(ConfigError, match=r"longer than 0\.2 s"):
        warehouse.query(forever, timeout_s=0.2)
    assert time.monotonic() - started < 60


def test_dead_letters_once(warehouse: Warehouse) -> None:
    letter = DeadLetter(
        component="evaluate",
        reason="undecodable",
        detail="not\x00 JSON",
        source=source(5),
        digest="d",
        size_bytes=12,
        time=T0,
    )
    warehouse.write_dead_letters([letter, letter])
    warehouse.write_dead_letters([letter.model_copy(update={"source": source(6)})])
    assert warehouse.dead_letter_counts() == {"undecodable": 2}


def test_components(warehouse: Warehouse) -> None:
    warehouse.report("judge", "a", {"lag": 1})
    warehouse.report("judge", "a", {"lag": 2})
    warehouse.report("evaluate", "b", {})
    found = warehouse.components()
    assert [(c.component, c.instance, c.state) for c in found] == [("evaluate", "b", {}), ("judge", "a", {"lag": 2})]
    assert datetime.now(UTC) - found[0].seen < timedelta(minutes=1)
    warehouse.forget("judge", "a")
    assert len(warehouse.components()) == 1


def test_judge_cache_and_cost(warehouse: Warehouse) -> None:
    assert warehouse.cached_verdict("k") is None
    warehouse.cache_verdict("k", b"\x00first")
    warehouse.cache_verdict("k", b"second")
    assert warehouse.cached_verdict("k") == b"\x00first"
    warehouse.store_traces([conversation("t1")])
    assert warehouse.judge_cost_since(T0) == 0
    warehouse.write_verdicts([score("t1", span_id=s, kind="llm", cost_usd=0.25) for s in "ab"])
    assert warehouse.judge_cost_since(datetime.now(UTC) - timedelta(hours=1)) == 0.5
    assert warehouse.judge_cost_since(datetime.now(UTC) + timedelta(hours=1)) == 0


def test_meta_is_set_once(warehouse: Warehouse) -> None:
    assert warehouse.meta("count") is None
    assert warehouse.set_meta_once("count", "4") == "4"
    assert warehouse.set_meta_once("count", "8") == "4"
    assert warehouse.meta("count") == "4"


def test_an_evaluator_keeps_its_since_until_it_changes(warehouse: Warehouse) -> None:
    for version, second in (("v1", 1), ("v1", 2), ("v2", 3)):
        warehouse.remember_evaluators({"ev": version}, at(second))
        if second == 2:
            assert _since(warehouse) == ("v1", at(1))
    assert _since(warehouse) == ("v2", at(3))


def test_a_gap_is_on_record_once(warehouse: Warehouse) -> None:
    for _ in range(2):
        warehouse.write_gap("evaluate", "traces", 0, 0, 10, 25)
    with warehouse.database.read() as connection:
        assert connection.execute(text("SELECT from_offset, to_offset, reason FROM gaps")).all() == [
            (10, 25, "retention")
        ]


def _since(warehouse: Warehouse) -> tuple[str, datetime]:
    from sqlalchemy import select

    from sinks.warehouse.tables import evaluators

    with warehouse.database.read() as connection:
        row = connection.execute(select(evaluators)).one()
    return row.current_version, row.since
