"""On PostgreSQL, what is asked of a warehouse with many rows is answered through indices: asked of the planner itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import event

from schemas.measurement import Segment
from sinks.warehouse import Warehouse
from tests.sinks.making import source
from tests.volume import EVALUATORS, START, fill, trace_id
from tests.warehouses import open_warehouse, postgres_databases

TRACES, DAYS = 30_000, 30.0
LARGE = frozenset(("traces", "spans", "messages", "scores"))
NOW = START + timedelta(days=DAYS)
AN_HOUR, A_DAY = timedelta(hours=1), timedelta(days=1)
SOME = [trace_id(n) for n in range(0, TRACES, TRACES // 200)]
SEGMENT = Segment(project="shop", environment="production", evaluator=EVALUATORS[1])
OF_TOOL = Segment(
    project="shop", environment="production", evaluator=EVALUATORS[8], dimension="tool", dimension_value="tool_3"
)

ASKED: dict[str, Callable[[Warehouse], Any]] = {
    "the newest scores": lambda w: w.scores(limit=20),
    "the newest scores of an evaluator": lambda w: w.scores(evaluator=EVALUATORS[8], limit=20),
    "what failed in the last hour": lambda w: w.scores(passed=False, since=NOW - AN_HOUR),
    "scores of a trace": lambda w: w.scores(trace_id=SOME[7]),
    "scores of a session": lambda w: w.scores(session_id="session-77"),
    "scores of every version": lambda w: w.scores(evaluator=EVALUATORS[2], current=False),
    "a summary of ten minutes": lambda w: w.score_summary(since=NOW - AN_HOUR / 6),
    "why": lambda w: w.why(SOME[3]),
    "the worst traces of an alert": lambda w: w.worst(SEGMENT, NOW - AN_HOUR, NOW),
    "the worst traces of an alert on a tool": lambda w: w.worst(OF_TOOL, NOW - AN_HOUR, NOW),
    "labels that changed with an alert": lambda w: w.label_changes(SEGMENT, NOW - AN_HOUR, NOW),
    "known decisions": lambda w: w.known_decisions(SOME),
    "stored scores": lambda w: w.stored_scores(SOME),
    "fingerprints": lambda w: w.fingerprints(SOME),
    "whole traces": lambda w: w.traces(SOME[:20]),
    "what a record decided": lambda w: w.restate(SOME, [source(n // 4, n % 4) for n in range(200)]),
    "partial traces": lambda w: w.partial_older_than(600),
    "what a retention would take": lambda w: w.prunable(START + AN_HOUR / 6),
    "what a retention finds to take": lambda w: w.prune_traces(START),
    "what judges cost today": lambda w: w.judge_cost_since(NOW - A_DAY),
    "counts for the status": lambda w: w.counts(),
    "spans of a trace": lambda w: w.query(f"SELECT * FROM v_spans WHERE trace_id = '{SOME[5]}'"),
    "current scores of a trace": lambda w: w.query(f"SELECT * FROM v_scores_current WHERE trace_id = '{SOME[5]}'"),
    "storing a trace again": lambda w: w.store_traces(list(w.traces(SOME[:20]).values())),
}


@pytest.fixture(scope="module")
def large_postgres() -> Iterator[Warehouse]:
    """300,000 scores of 30,000 traces."""
    with postgres_databases() as make:
        warehouse = open_warehouse(make())
        warehouse.migrate()
        fill(warehouse, TRACES, DAYS)
        yield warehouse
        warehouse.close()


@pytest.mark.parametrize("what", ASKED)
def test_no_large_table_is_read_through(large_postgres: Warehouse, what: str) -> None:
    plans = plans_of(large_postgres, ASKED[what])
    assert plans, "nothing was asked"
    for sql, plan in plans:
        assert not (read_through(plan) & LARGE), f"{sql}\n{orjson.dumps(plan, option=orjson.OPT_INDENT_2).decode()}"


def test_the_check_sees_a_table_that_is_read_through(large_postgres: Warehouse) -> None:
    """The measure itself: a question that no index answers."""
    plans = plans_of(large_postgres, lambda w: w.query("SELECT count(*) FROM scores WHERE explanation LIKE 'x%'"))
    assert [read_through(plan) for _, plan in plans] == [{"scores"}]


def plans_of(warehouse: Warehouse, ask: Callable[[Warehouse], Any]) -> list[tuple[str, Any]]:
    """The statements that `ask` ran and the plan of each."""
    ran: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, sql: str, parameters: Any, _context: Any, many: bool) -> None:
        if sql.lstrip().upper().startswith(("SELECT", "UPDATE", "DELETE", "INSERT")) and "pg_catalog" not in sql:
            ran.append((sql, parameters[0] if many else parameters))

    engine = warehouse.database.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        ask(Spy(warehouse, ran))  # type: ignore[arg-type]
    finally:
        event.remove(engine, "before_cursor_execute", note)
    with warehouse.database.write() as connection:
        return [
            (sql, connection.exec_driver_sql("EXPLAIN (FORMAT JSON) " + sql, parameters).scalar_one())
            for sql, parameters in ran
        ]


class Spy:
    """A warehouse whose `query`, which goes past SQLAlchemy, is noted as well."""

    def __init__(self, warehouse: Warehouse, ran: list[tuple[str, Any]]) -> None:
        self._warehouse, self._ran = warehouse, ran

    def __getattr__(self, name: str) -> Any:
        return getattr(self._warehouse, name)

    def query(self, sql: str) -> Any:
        self._ran.append((sql.replace("%", "%%"), ()))
        return self._warehouse.query(sql)


def read_through(plan: Any) -> set[str]:
    """Tables that a plan reads from end to end."""
    nodes = [orjson.loads(plan)[0]["Plan"] if isinstance(plan, str) else plan[0]["Plan"]]
    found = set()
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", ())
        if node["Node Type"] == "Seq Scan":
            found.add(node["Relation Name"])
    return found
