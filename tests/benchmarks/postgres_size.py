"""The warehouse on PostgreSQL at size: ``python -m tests.benchmarks.postgres_size [MILLIONS]``.

Loads that many scores (5) with their traces, spans and messages by COPY, over six months, into a database of its own
that is dropped afterwards; then asks what the workers and the command line ask. EVALSTREAM_TEST_POSTGRES names the
server. The ratios compare it with a database that was empty, batch by batch in turn. Both are told, as a server on an
SSD should be, that a random page costs little more than the next one (random_page_cost = 1.1).
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from schemas.measurement import Segment
from schemas.score import Score
from sinks.warehouse import TraceDecisions, Warehouse
from tests.benchmarks.postgres import benchmark_database
from tests.sinks.making import source, span, trace
from tests.volume import EVALUATORS, START, VERSION, analyze, fill, trace_id
from tests.warehouses import open_warehouse

DAYS, MONTH_DAYS = 180.0, 30.0
BATCH_TRACES, BATCHES, TURNS = 200, 20, 5
PRUNED_AT_ONCE = 1000
AN_HOUR, A_DAY = timedelta(hours=1), timedelta(days=1)
TABLES = ("scores", "spans", "messages", "traces")


def main(arguments: Sequence[str]) -> None:
    """Print the table of docs/concepts/warehouse.md."""
    scores = int(float(arguments[0]) * 1e6) if arguments else 5_000_000
    traces = scores // len(EVALUATORS)
    shown = Table("what", "figure", title=f"{scores / 1e6:g} million scores")
    with benchmark_database() as url, benchmark_database() as other:
        warehouse, empty = _migrated(url), _migrated(other)
        with Progress() as progress:
            task = progress.add_task("COPY", total=scores)
            began = time.perf_counter()
            fill(warehouse, traces, DAYS, lambda rows: progress.advance(task, rows))
            took = time.perf_counter() - began
        shown.add_row("bulk load by COPY, with traces, spans and messages", f"{scores / took:,.0f} scores/s")
        for name, size in sizes(warehouse):
            shown.add_row(f"size of {name} with its indices", size)
        for what, (of_empty, of_full) in write_times(empty, warehouse).items():
            shown.add_row(
                f"batch of {BATCH_TRACES * len(EVALUATORS):,} decisions, {what}: empty, full, ratio",
                f"{of_empty * 1e3:.0f} ms, {of_full * 1e3:.0f} ms, {of_full / of_empty:.2f}",
            )
        for question, ask in questions(traces).items():
            shown.add_row(question, f"{median(lambda ask=ask: ask(warehouse)) * 1e3:,.1f} ms")
        deleted, took = prune_a_month(warehouse, traces)
        shown.add_row("delete the oldest month", f"{deleted:,} scores in {took:.1f} s")
        shown.add_row("vacuum after it", f"{timed(lambda: analyze(warehouse)):.1f} s")
        warehouse.close()
        empty.close()
    Console(width=120).print(shown)


def _migrated(url: str) -> Warehouse:
    warehouse = open_warehouse(url)
    warehouse.migrate()
    return warehouse


def questions(traces: int) -> dict[str, Callable[[Warehouse], Any]]:
    """What people and workers ask."""
    end = START + timedelta(days=DAYS)
    some = [trace_id(n) for n in range(0, traces, traces // 200)]
    alert = Segment(project="shop", environment="production", evaluator=EVALUATORS[8])
    tool = alert.model_copy(update={"dimension": "tool", "dimension_value": "tool_3"})
    return {
        "evalstream scores (newest 100)": lambda w: w.scores(),
        "evalstream scores --failed --since (an hour)": lambda w: w.scores(passed=False, since=end - AN_HOUR),
        "evalstream scores --evaluator": lambda w: w.scores(evaluator=EVALUATORS[2]),
        "evalstream scores --summary --since (an hour)": lambda w: w.score_summary(since=end - AN_HOUR),
        "evalstream scores --summary --since (a day)": lambda w: w.score_summary(since=end - A_DAY),
        "evalstream scores --summary (everything)": lambda w: w.score_summary(),
        "evalstream why": lambda w: w.why(some[11]),
        "evalstream status: counts": lambda w: w.counts(),
        "worst traces of an alert, an hour": lambda w: w.worst(alert, end - AN_HOUR, end),
        "worst traces of an alert on a tool, an hour": lambda w: w.worst(tool, end - AN_HOUR, end),
        "labels changed, an hour against four": lambda w: w.label_changes(alert, end - AN_HOUR, end),
        "known decisions of 200 traces": lambda w: w.known_decisions(some),
        "200 traces read whole": lambda w: w.traces(some),
        "what judges cost today": lambda w: w.judge_cost_since(end - A_DAY),
    }


def write_times(*warehouses: Warehouse) -> dict[str, list[float]]:
    """Median seconds, in each warehouse, of a batch of new decisions and of the same batch read again after a crash."""
    took: dict[str, list[list[float]]] = {what: [[] for _ in warehouses] for what in ("new", "again")}
    for number in range(BATCHES):
        ids = [f"{trace_id(number * BATCH_TRACES + n)[:24]}unlike__" for n in range(BATCH_TRACES)]
        decisions = [TraceDecisions(one, [_score(one, name) for name in EVALUATORS]) for one in ids]
        for place, warehouse in enumerate(warehouses):
            warehouse.store_traces([trace(one, span("a")) for one in ids])
            for times in took.values():
                times[place].append(timed(lambda to=warehouse, made=decisions: to.write_decisions(made)))
    return {what: [statistics.median(of_one) for of_one in times] for what, times in took.items()}


def prune_a_month(warehouse: Warehouse, traces: int) -> tuple[int, float]:
    """Delete by trace, a thousand at once, each in a transaction: what retention does; rows of scores, and seconds."""
    deleted, began = 0, time.perf_counter()
    until = START + timedelta(days=MONTH_DAYS)
    while ids := _oldest(warehouse, until):
        with warehouse.database.write() as connection:
            for table in TABLES:
                statement = f"DELETE FROM {table} WHERE trace_id = ANY(%s)"
                rows = connection.exec_driver_sql(statement, (ids,)).rowcount
                deleted += rows if table == "scores" else 0
    return deleted, time.perf_counter() - began


def _oldest(warehouse: Warehouse, until: datetime) -> list[str]:
    query = "SELECT trace_id FROM traces WHERE stored_at < %s ORDER BY stored_at LIMIT %s"
    with warehouse.database.read() as connection:
        return list(connection.exec_driver_sql(query, (until, PRUNED_AT_ONCE)).scalars())


def sizes(warehouse: Warehouse) -> list[tuple[str, str]]:
    query = "SELECT pg_size_pretty(pg_table_size(%s)) || ' + ' || pg_size_pretty(pg_indexes_size(%s))"
    with warehouse.database.read() as connection:
        return [(name, connection.exec_driver_sql(query, (name, name)).scalar_one()) for name in TABLES]


def median(work: Callable[[], Any]) -> float:
    return statistics.median(timed(work) for _ in range(TURNS))


def timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _score(of_trace: str, evaluator: str) -> Score:
    return Score(
        trace_id=of_trace,
        evaluator=evaluator,
        evaluator_version=VERSION,
        target="trace",
        target_digest="d",
        project="shop",
        environment="production",
        status="scored",
        value=1.0,
        passed=True,
        explanation="an explanation of a usual length, which says why the step at fault is blamed",
        source=source(1),
        event_time=START + timedelta(days=1),
    )


if __name__ == "__main__":
    main(sys.argv[1:])
