"""Retention: what is older than its age goes with all that belongs to it; what is younger stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import update

from schemas.session import SessionClosed, SessionMember
from schemas.settings.pipeline import HousekeepingSettings, WarehouseSettings
from sinks.warehouse import Position, TraceDecisions, Warehouse
from sinks.warehouse import tables as t
from streams.monitoring.retention import prune_in_turn
from tests.sinks.making import conversation, judge_request, score, source
from tests.sinks.test_deletion import _letter

NOW = datetime(2026, 6, 1, tzinfo=UTC)
OLD, NEW = NOW - timedelta(days=40), NOW - timedelta(days=10)
MONTH = NOW - timedelta(days=30)
OF_TRACES = ("traces", "spans", "messages", "scores", "requests", "request_decisions")


def _fill(warehouse: Warehouse, count: int = 3) -> None:
    """Traces o0…, stored 40 days ago in the session o, and n0…, stored 10 days ago in the session n."""
    for age, when in (("o", OLD), ("n", NEW)):
        for number in range(count):
            found = conversation(f"{age}{number}").model_copy(update={"session_id": age})
            warehouse.store_traces([found])
            member = SessionMember(session_id=age, trace_id=found.trace_id, fingerprint="f", event_time=when)
            warehouse.store_session(SessionClosed(session_id=age, members=(member,)))
            made = [score(found.trace_id, explanation="quoting", source=source(1), event_time=when)]
            asked = [judge_request(found.trace_id, "b", source=source(1))]
            warehouse.write_decisions([TraceDecisions(found.trace_id, made, asked)])
        _dated(warehouse, t.traces, t.traces.c.stored_at, when, t.traces.c.session_id == age)
        _dated(warehouse, t.sessions, t.sessions.c.stored_at, when, t.sessions.c.session_id == age)


def _dated(warehouse: Warehouse, table: Any, column: Any, when: datetime, which: Any = None) -> None:
    with warehouse.database.write() as connection:
        change = update(table).values({column.name: when})
        connection.execute(change if which is None else change.where(which))


def _ids(warehouse: Warehouse, table: str) -> set[str]:
    column = "session_id" if table == "sessions" else "trace_id"
    return {row[0] for row in warehouse.query(f"SELECT {column} FROM {table}", limit=100_000).rows}


def test_what_is_old_goes_with_all_that_belongs_to_it(warehouse: Warehouse) -> None:
    _fill(warehouse)
    warehouse.write_feedback([score("never-stored", "human", kind="human", event_time=OLD)])
    foreseen = warehouse.prunable(MONTH)
    told: list[int] = []
    counts = warehouse.prune_traces(MONTH, told=told.append)
    assert counts == {**foreseen, "sessions": 1} and told == [3]
    for table in OF_TRACES:
        assert _ids(warehouse, table) == {"n0", "n1", "n2"}, table
    assert _ids(warehouse, "sessions") == {"n"}
    assert warehouse.prune_traces(MONTH) == {} and not any(warehouse.prunable(MONTH).values())


def test_in_batches(warehouse: Warehouse) -> None:
    _fill(warehouse, 450)
    told: list[int] = []
    assert warehouse.prune_traces(MONTH, told=told.append)["traces"] == 450
    assert told == [200, 400, 450]
    assert len(_ids(warehouse, "traces")) == 450


def test_scores_may_stay_without_their_texts(warehouse: Warehouse) -> None:
    _fill(warehouse)
    counts = warehouse.prune_traces(MONTH, keep_scores=True)
    assert "scores" not in counts and counts["spans"] > 0
    kept = {s.trace_id: s.explanation for s in warehouse.scores(current=False)}
    assert kept == {"o0": "", "o1": "", "o2": "", "n0": "quoting", "n1": "quoting", "n2": "quoting"}


def test_what_workers_keep_has_ages_of_its_own(warehouse: Warehouse) -> None:
    _fill(warehouse, 1)
    warehouse.cache_verdict("key", b"because", "o0")
    warehouse.write_dead_letters([_letter(1, b"x")])
    attempts = warehouse.attempts("evaluate", "traces", 0, 0)
    attempts.begin_alone(5)
    attempts.begin(8, 50)
    warehouse.write_decisions([], [Position("evaluate", "traces", 0, 0, 10)])
    for table, column in (
        (t.judge_cache, t.judge_cache.c.created),
        (t.dead_letters, t.dead_letters.c.time),
        (t.requests, t.requests.c.created),
    ):
        _dated(warehouse, table, column, OLD)
    ages = HousekeepingSettings(judge_cache_days=41, requests_days=41, dead_letters_days=41)
    assert warehouse.prune_state(ages, NOW) == {"attempts": 1}
    ages = HousekeepingSettings(judge_cache_days=39, requests_days=39, dead_letters_days=39)
    assert warehouse.prune_state(ages, NOW) == {
        "judge_cache": 1,
        "dead_letters": 1,
        "requests": 2,
        "request_decisions": 2,
    }
    assert warehouse.query("SELECT count(*) FROM attempts").rows == [(1,)]
    assert len(_ids(warehouse, "traces")) == 2


def test_one_worker_an_hour(warehouse: Warehouse) -> None:
    _fill(warehouse)
    forever = WarehouseSettings()
    assert prune_in_turn(warehouse, forever, NOW - timedelta(hours=2)) == {}
    assert len(_ids(warehouse, "traces")) == 6
    settings = WarehouseSettings(retention_days=30)
    assert prune_in_turn(warehouse, settings, NOW - timedelta(hours=1))["traces"] == 3
    _dated(warehouse, t.traces, t.traces.c.stored_at, OLD)
    assert prune_in_turn(warehouse, settings, NOW - timedelta(minutes=30)) == {}, "an hour has not passed"
    assert prune_in_turn(warehouse, settings, NOW)["traces"] == 3
