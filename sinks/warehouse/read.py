"""What people ask of the warehouse from the command line: scores, alerts, drift, summaries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    Table,
    case,
    column,
    func,
    literal_column,
    select,
    table,
    text,
)

from schemas.alert import Alert
from schemas.drift_event import DriftEvent
from schemas.measurement import Segment
from schemas.score import Score

from .database import Database
from .part import Part
from .records import Numbered, ScoreSummary
from .rows import read_score
from .tables import alerts, dead_letters, drift_events, messages, outbox, requests, scores, spans, traces

CURRENT = table("v_scores_current", *(column(c.name, c.type) for c in scores.c))
COUNTED_TO = 50_000
_SCORED = case((CURRENT.c.status == "scored", CURRENT.c.value))
_MEDIAN = func.percentile_cont(0.5).within_group(_SCORED).label("median")
_SEGMENT = ("project", "environment", "evaluator", "dimension", "dimension_value")


class Reads(Part):
    """Reads for people."""

    def scores(
        self,
        *,
        evaluator: str | None = None,
        trace_id: str | None = None,
        session_id: str | None = None,
        passed: bool | None = None,
        status: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = 100,
        current: bool = True,
    ) -> list[Score]:
        """Scores, the newest event first; `current` leaves out older revisions and versions."""
        source: Any = CURRENT if current else scores
        wanted = {"evaluator": evaluator, "trace_id": trace_id, "session_id": session_id, "status": status}
        query = select(*(source.c[c.name] for c in scores.c)).where(
            *(source.c[name] == value for name, value in wanted.items() if value is not None),
            *_between(source.c.event_time, since, until),
        )
        if passed is not None:
            query = query.where(source.c.passed.is_(passed))
        order = (source.c.event_time.desc(), source.c.trace_id, source.c.evaluator, source.c.target_id)
        with self.database.read() as connection:
            return [read_score(row) for row in connection.execute(query.order_by(*order).limit(limit)).mappings()]

    def alerts(
        self,
        *,
        rule: str | None = None,
        state: str | None = None,
        since: datetime | None = None,
        after: int | None = None,
        limit: int | None = 100,
    ) -> list[Numbered[Alert]]:
        """Alerts: the newest first, or, with `after` (the number of the last one seen), those that came since, oldest
        first."""
        query = select(alerts.c.seq, alerts.c.body).where(*_between(alerts.c.fired_at, since, None))
        if rule is not None:
            query = query.where(alerts.c.rule == rule)
        if state is not None:
            query = query.where(alerts.c.state == state)
        with self.database.read() as connection:
            rows = connection.execute(_paged(query, alerts.c.seq, after, limit))
            return [Numbered(row.seq, Alert.model_validate(row.body)) for row in rows]

    def drift_events(
        self,
        *,
        evaluator: str | None = None,
        since: datetime | None = None,
        after: int | None = None,
        limit: int | None = 100,
    ) -> list[Numbered[DriftEvent]]:
        """Drift events, in the order of `alerts`."""
        query = select(drift_events).where(*_between(drift_events.c.detected_at, since, None))
        if evaluator is not None:
            query = query.where(drift_events.c.evaluator == evaluator)
        with self.database.read() as connection:
            rows = connection.execute(_paged(query, drift_events.c.seq, after, limit)).mappings()
            return [Numbered(row["seq"], _drift_event(row)) for row in rows]

    def score_summary(self, *, since: datetime | None = None) -> list[ScoreSummary]:
        """The current scores of each evaluator in figures, by name."""
        window = _between(CURRENT.c.event_time, since, None)
        with self.database.read() as connection:
            if self.database.dialect == "postgresql":
                rows = [dict(row) for row in connection.execute(_totals(window).add_columns(_MEDIAN)).mappings()]
            else:
                medians = {row.evaluator: row.median for row in connection.execute(_medians(window))}
                totals = connection.execute(_totals(window)).mappings()
                rows = [{**row, "median": medians.get(row["evaluator"])} for row in totals]
        return [ScoreSummary(**{**row, "mean": _float(row["mean"]), "median": _float(row["median"])}) for row in rows]

    def counts(self) -> dict[str, int]:
        """Rows of each table, judge requests in flight, and notifications not yet delivered.

        On PostgreSQL what is beyond COUNTED_TO is the server's own estimate: counting reads the whole table.
        """
        tables = (traces, spans, messages, scores, drift_events, alerts, dead_letters, requests)
        with self.database.read() as connection:
            found = {t.name: _count(self.database, connection, t) for t in tables}
            pending = select(func.count()).select_from(outbox).where(outbox.c.state == "pending")
            found["outbox_pending"] = connection.execute(pending).scalar_one()
        return found

    def dead_letter_counts(self) -> dict[str, int]:
        """Dead letters by reason."""
        query = select(dead_letters.c.reason, func.count().label("count_")).group_by(dead_letters.c.reason)
        with self.database.read() as connection:
            return {row.reason: row.count_ for row in connection.execute(query.order_by(dead_letters.c.reason))}


def _count(database: Database, connection: Connection, of: Table) -> int:
    if database.dialect == "sqlite":
        return int(connection.execute(select(func.count()).select_from(of)).scalar_one())
    estimate: Select[Any] = select(literal_column("reltuples")).select_from(text("pg_catalog.pg_class"))
    known = connection.execute(estimate.where(text("oid = to_regclass(:name)")), {"name": of.name}).scalar_one()
    if known > COUNTED_TO:
        return int(known)
    some = select(literal_column("1")).select_from(of).limit(COUNTED_TO + 1).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


def _between(moment: ColumnElement[Any], since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    return [*([moment >= since] if since else []), *([moment < until] if until else [])]


def _drift_event(row: RowMapping) -> DriftEvent:
    segment = Segment(**{name: row[name] for name in _SEGMENT})
    return DriftEvent.model_validate({**row, "segment": segment, "labels_changed": row["labels_changed"] or ()})


def _paged(query: Select[Any], seq: ColumnElement[int], after: int | None, limit: int | None) -> Select[Any]:
    if after is not None:
        return query.where(seq > after).order_by(seq).limit(limit)
    return query.order_by(seq.desc()).limit(limit)


def _totals(window: Sequence[ColumnElement[bool]]) -> Select[Any]:
    def count_if(condition: ColumnElement[bool]) -> Any:
        return func.sum(case((condition, 1), else_=0))

    c = CURRENT.c
    return (
        select(
            c.evaluator,
            func.count().label("targets"),
            count_if(c.status == "scored").label("scored"),
            count_if(c.status == "skipped").label("skipped"),
            count_if(c.status == "failed").label("failed"),
            count_if(c.passed.is_(True)).label("passed"),
            count_if(c.passed.is_not(None)).label("judged"),
            func.avg(_SCORED).label("mean"),
        )
        .where(*window)
        .group_by(c.evaluator)
        .order_by(c.evaluator)
    )


def _medians(window: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """The mean of the one or two values in the middle: SQLite has no percentile."""
    c = CURRENT.c
    place = func.row_number().over(partition_by=c.evaluator, order_by=c.value).label("place")
    count = func.count().over(partition_by=c.evaluator).label("count")
    ranked = select(c.evaluator, c.value, place, count).where(c.status == "scored", c.value.is_not(None), *window)
    r = ranked.subquery()
    middle = (r.c.place * 2).between(r.c.count, r.c.count + 2)
    return select(r.c.evaluator, func.avg(r.c.value).label("median")).where(middle).group_by(r.c.evaluator)


def _float(value: Any) -> float | None:
    return None if value is None else float(value)
