"""A warehouse on PostgreSQL with many rows, filled by COPY: ten decisions a trace, at an even pace over some days.

Of each trace 3 spans and 2 messages; decisions 0-3 are on the trace, 4-6 on its model call, 7-9 on its tool call.
Decision 3 is a judge's and costs something; every twentieth trace fails every decision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any

from sinks.warehouse import Warehouse
from sinks.warehouse.types import json_text
from tests.sinks.making import span

START = datetime(2026, 1, 1, tzinfo=UTC)
VERSION = "0123456789ab"
EVALUATORS = tuple(f"evaluator_{i}" for i in range(10))
KINDS = ("agent", "llm", "tool")
BLOCK_TRACES = 2000
NULL = "\\N"
Progress = Callable[[int], Any]


def trace_id(number: int) -> str:
    return md5(str(number).encode()).hexdigest()


def event_time(number: int, traces: int, days: float) -> datetime:
    return START + timedelta(days=days * number / traces)


def fill(warehouse: Warehouse, traces: int, days: float, progress: Progress = lambda rows: None) -> None:
    """Load `traces` traces and ten times as many scores; `progress` is told of rows of scores."""
    warehouse.remember_evaluators(dict.fromkeys(EVALUATORS, VERSION), START)
    bodies = [json_text(span(kind[0], kind=kind)).replace("\\", "\\\\") for kind in KINDS]
    with warehouse.database.driver_connection() as pooled:
        for first in range(0, traces, BLOCK_TRACES):
            block = range(first, min(first + BLOCK_TRACES, traces))
            rows = [(n, trace_id(n), event_time(n, traces, days).isoformat()) for n in block]
            _copy(pooled, "traces", TRACE_COLUMNS, (_trace(*row) for row in rows))
            _copy(pooled, "spans", SPAN_COLUMNS, (line for row in rows for line in _spans(*row, bodies)))
            _copy(pooled, "messages", "trace_id, digest, role, content", (line for row in rows for line in _said(*row)))
            _copy(pooled, "scores", SCORE_COLUMNS, (line for row in rows for line in _scores(*row)))
            pooled.commit()
            progress(len(rows) * len(EVALUATORS))
    analyze(warehouse)


def analyze(warehouse: Warehouse) -> None:
    """What autovacuum would do in its time."""
    with warehouse.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")


TRACE_COLUMNS = (
    'trace_id, session_id, user_id, project, environment, revision, fingerprint, root_name, start, "end", event_time, '
    "incomplete, partial, resource, passed_over, measured, stored_at"
)
SPAN_COLUMNS = (
    'trace_id, span_id, digest, shown, name, kind, start, "end", duration_s, status, tool_name, request_model, '
    "response_model, prompt_version, input_tokens, output_tokens, body"
)
SCORE_COLUMNS = (
    "trace_id, evaluator, evaluator_version, target_id, target_digest, score_id, target, span_id, blamed_span_id, "
    "session_id, project, environment, kind, revision, status, value, passed, explanation, evidence, "
    "inclusion_probability, cost_usd, event_time, source_topic, source_partition, source_offset, source_epoch, "
    "measured, attributes, stored_at"
)


def _copy(pooled: Any, table: str, columns: str, lines: Iterator[str]) -> None:
    with pooled.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
        copy.write("\n".join(lines) + "\n")


def _environment(n: int) -> str:
    return "staging" if n % 10 == 0 else "production"


def _session(n: int) -> str:
    return f"session-{n // 5}" if n % 2 else NULL


def _trace(n: int, tid: str, at: str) -> str:
    resource = f'{{"service.version": "1.{n // 20_000}"}}'
    return (
        f"{tid}\t{_session(n)}\tuser-{n % 5000}\tshop\t{_environment(n)}\t3\tf{tid}\tagent\t{at}\t{at}\t{at}\tf\tf\t"
        f"{resource}\t{{}}\t[]\t{at}"
    )


def _spans(n: int, tid: str, at: str, bodies: list[str]) -> Iterator[str]:
    for number, (kind, body) in enumerate(zip(KINDS, bodies, strict=True)):
        tool = f"tool_{n % 12}" if kind == "tool" else NULL
        model = "gpt-x" if kind == "llm" else NULL
        yield (
            f"{tid}\t{number}{tid[:15]}\td{number}{tid}\tt\t{kind}\t{kind}\t{at}\t{at}\t1\tok\t{tool}\t{model}\t{model}\t"
            f"{NULL}\t{NULL}\t{NULL}\t{body}"
        )


def _said(n: int, tid: str, at: str) -> Iterator[str]:
    yield f"{tid}\tq{tid}\tuser\tWhere is my order {n}?"
    yield f"{tid}\ta{tid}\tassistant\tIt was sent on {at}."


def _scores(n: int, tid: str, at: str) -> Iterator[str]:
    passed, value = ("f", 0.0) if n % 20 == 0 else ("t", 1.0)
    for number, evaluator in enumerate(EVALUATORS):
        of_span = 0 if number < 4 else 1 if number < 7 else 2
        span_id = f"{of_span}{tid[:15]}" if of_span else ""
        digest = f"d{of_span}{tid}" if of_span else f"f{tid}"
        kind, cost = ("llm", "0.0004") if number == 3 else ("code", NULL)
        yield (
            f"{tid}\t{evaluator}\t{VERSION}\t{span_id}\t{digest}\ts{number}{tid}\t{'span' if span_id else 'trace'}\t"
            f"{span_id or NULL}\t{NULL}\t{_session(n)}\tshop\t{_environment(n)}\t{kind}\t3\tscored\t{value}\t{passed}\t"
            f"an explanation of a usual length, which says why the step at fault is blamed\t[]\t1\t{cost}\t{at}\t"
            f"traces\t{n % 4}\t{n // 4}\t0\tt\t{{}}\t{at}"
        )
