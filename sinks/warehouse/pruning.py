"""Retention: what is older than its age goes, some hundred traces in a transaction, while workers go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, delete, exists, func, select, update

from schemas.settings.pipeline import HousekeepingSettings

from .database import insert_sql
from .erasure import OF_A_TRACE
from .part import Part
from .tables import (
    attempts,
    dead_letters,
    judge_cache,
    meta,
    outbox,
    positions,
    request_decisions,
    requests,
    scores,
    sessions,
    traces,
)

ROWS_AT_ONCE = 200
OWN_AGE = frozenset(("judge_cache",))
"""Tables with rows of a trace that have an age of their own."""

Told = Callable[[int], None]


class Pruning(Part):
    """`evalstream warehouse prune`, and what a worker does by `warehouse.retention_days`."""

    def prunable(self, before: datetime) -> dict[str, int]:
        """How many rows of traces first stored before then there are, by table."""
        old = select(traces.c.trace_id).where(traces.c.stored_at < before)
        counts = {}
        with self.database.read() as connection:
            for table in OF_A_TRACE:
                if table.name not in OWN_AGE:
                    query = select(func.count()).select_from(table).where(table.c.trace_id.in_(old))
                    counts[table.name] = connection.execute(query).scalar_one()
            counts["scores"] += connection.execute(select(func.count()).where(_orphaned(before))).scalar_one()
        return counts

    def prune_traces(
        self, before: datetime, *, keep_scores: bool = False, told: Told = lambda traces: None
    ) -> dict[str, int]:
        """Delete traces that were first stored before then, with all that belongs to them, and their sessions when none of
        their traces is left; the number of rows by table.

        `keep_scores` leaves the rows of `scores`, without the texts that they quote; the views show them no more. `told`
        hears how many traces are done.
        """
        counts: Counter[str] = Counter()
        for ids in self._batches(select(traces.c.trace_id).where(traces.c.stored_at < before)):
            with self.database.write() as connection:
                for table in OF_A_TRACE:
                    if table.name in OWN_AGE:
                        continue
                    mine = table.c.trace_id.in_(ids)
                    if table is scores and keep_scores:
                        connection.execute(update(scores).where(mine).values(explanation="", evidence=[]))
                    else:
                        counts[table.name] += connection.execute(delete(table).where(mine)).rowcount
            told(counts["traces"])
        if not keep_scores:
            counts["scores"] += self._delete_batches(
                scores, scores.c.trace_id, _orphaned(before), scores.c.event_time < before
            )
        left = exists().where(traces.c.session_id == sessions.c.session_id)
        counts["sessions"] += self._delete_batches(
            sessions, sessions.c.session_id, (sessions.c.stored_at < before) & ~left
        )
        return _nonzero(counts)

    def prune_state(self, ages: HousekeepingSettings, now: datetime) -> dict[str, int]:
        """Delete what the workers keep for themselves beyond its age; the number of rows by table."""
        counts: Counter[str] = Counter()
        finished = outbox.c.finished < _before(now, ages.outbox_days)
        asked = requests.c.created < _before(now, ages.requests_days)
        for table, key, old in (
            (judge_cache, judge_cache.c.key, judge_cache.c.created < _before(now, ages.judge_cache_days)),
            (dead_letters, dead_letters.c.letter_id, dead_letters.c.time < _before(now, ages.dead_letters_days)),
            (outbox, outbox.c.id, finished),
            (requests, requests.c.request_id, asked),
        ):
            counts[table.name] += self._delete_batches(table, key, old)
        asked_for = exists().where(requests.c.request_id == request_decisions.c.request_id)
        counts["request_decisions"] += self._delete_batches(
            request_decisions, request_decisions.c.request_id, ~asked_for
        )
        with self.database.write() as connection:
            counts["attempts"] += connection.execute(delete(attempts).where(_passed())).rowcount
        return _nonzero(counts)

    def take_turn(self, name: str, every: timedelta, now: datetime | None = None) -> bool:
        """Whether it is this caller who is to do something that one worker does now and then."""
        moment = now or datetime.now(UTC)
        key, value, limit = f"turn_{name}", _stamp(moment), _stamp(moment - every)
        with self.database.write() as connection:
            self.database.many(connection, insert_sql(meta), [(key, "")])
            mine = update(meta).where(meta.c.key == key, meta.c.value <= limit).values(value=value)
            return connection.execute(mine).rowcount == 1

    def _batches(self, query: Select[Any]) -> Iterator[list[Any]]:
        """Keys that `query` finds, some at a time, until it finds none; the caller deletes what it is given."""
        while True:
            with self.database.read() as connection:
                found = list(connection.execute(query.limit(ROWS_AT_ONCE)).scalars())
            if not found:
                return
            yield found

    def _delete_batches(
        self, table: Table, key: Any, old: ColumnElement[bool], also: ColumnElement[bool] | None = None
    ) -> int:
        count = 0
        for keys in self._batches(select(key).where(old).distinct()):
            with self.database.write() as connection:
                mine = key.in_(keys) if also is None else key.in_(keys) & also
                count += connection.execute(delete(table).where(mine)).rowcount
        return count


def _orphaned(before: datetime) -> ColumnElement[bool]:
    """Decisions on traces that are not stored: feedback on what never came, or what a pruning had kept."""
    return (scores.c.event_time < before) & ~exists().where(traces.c.trace_id == scores.c.trace_id)


def _passed() -> ColumnElement[bool]:
    """Attempts at positions that are long passed."""
    same = (
        (positions.c.component == attempts.c.component)
        & (positions.c.topic == attempts.c.topic)
        & (positions.c.partition == attempts.c.partition)
    )
    behind = attempts.c.through < positions.c.next_offset
    return exists().where(
        same, (attempts.c.epoch < positions.c.epoch) | ((attempts.c.epoch == positions.c.epoch) & behind)
    )


def _before(now: datetime, days: float) -> datetime:
    return now - timedelta(days=days)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _nonzero(counts: Counter[str]) -> dict[str, int]:
    return {table: count for table, count in counts.items() if count}
