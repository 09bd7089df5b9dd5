"""Deletion of what belongs to a trace, a session or a user, for good: tombstones first, then the rows, in batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, delete, func, or_, select, update

from schemas.ids import plain_digest

from .database import Database
from .forgetting import blank_letters, forget_findings
from .part import Part
from .records import Subject
from .tables import judge_cache, messages, request_decisions, requests, scores, sessions, spans, traces
from .tombstones import bury, wait_for_writers

TRACES_AT_ONCE = 200
OF_A_TRACE = (scores, request_decisions, requests, judge_cache, messages, spans, traces)
"""Tables whose rows belong to one trace, in the order of deletion."""

Told = Callable[[int], None]


class Erasure(Part):
    """`evalstream delete`."""

    def traces_belonging(self, subjects: Sequence[Subject]) -> list[str]:
        """The stored traces that deleting these subjects would delete, in order of their ids."""
        named = {subject.id for subject in subjects if subject.kind == "trace"}
        with self.database.read() as connection:
            query = select(traces.c.trace_id).where(_belonging(subjects)).order_by(traces.c.trace_id)
            found = list(connection.execute(query).scalars())
            # feedback may stand under a trace that never came
            query = select(scores.c.trace_id).where(scores.c.trace_id.in_(named)).distinct()
            return sorted({*found, *connection.execute(query).scalars()})

    def rows_belonging(self, trace_ids: Sequence[str]) -> dict[str, int]:
        """How many rows of each table belong to these traces."""
        counts: Counter[str] = Counter()
        with self.database.read() as connection:
            for start in range(0, len(trace_ids), TRACES_AT_ONCE):
                some = trace_ids[start : start + TRACES_AT_ONCE]
                for table in OF_A_TRACE:
                    query = select(func.count()).select_from(table).where(table.c.trace_id.in_(some))
                    counts[table.name] += connection.execute(query).scalar_one()
        return dict(counts)

    def delete(self, subjects: Sequence[Subject], told: Told = lambda done: None) -> dict[str, int]:
        """Delete what belongs to these subjects; the number of rows of each table that went or were blanked.

        What comes later under these ids, or under the ids of the traces that went, is dropped. `told` hears how many
        traces are done. Each batch is a transaction of its own; a deletion that was interrupted may be begun again.
        """
        with self.database.write() as connection:
            wait_for_writers(self.database, connection)
            bury(self.database, connection, subjects)
        trace_ids = self.traces_belonging(subjects)
        counts: Counter[str] = Counter()
        for start in range(0, len(trace_ids), TRACES_AT_ONCE):
            some = trace_ids[start : start + TRACES_AT_ONCE]
            with self.database.write() as connection:
                counts.update(erase(self.database, connection, some))
            told(min(start + TRACES_AT_ONCE, len(trace_ids)))
        gone = {*trace_ids, *(subject.id for subject in subjects)}
        with self.database.write() as connection:
            counts["sessions"] += _drop_sessions(connection, [s.id for s in subjects if s.kind == "session"])
        counts.update(forget_findings(self.database, gone))
        counts["dead_letters"] += blank_letters(self.database, gone)
        return {table: count for table, count in counts.items() if count}


def erase(database: Database, connection: Connection, trace_ids: Sequence[str]) -> Counter[str]:
    """Bury these traces and delete their rows; sessions lose them as members, and what was said of the whole."""
    ids = sorted(trace_ids)
    connection.execute(
        select(traces.c.trace_id).where(traces.c.trace_id.in_(ids)).order_by(traces.c.trace_id).with_for_update()
    )
    bury(database, connection, [Subject("trace", trace_id) for trace_id in ids])
    counts: Counter[str] = Counter(_leave_sessions(database, connection, ids))
    for table in OF_A_TRACE:
        counts[table.name] += connection.execute(delete(table).where(table.c.trace_id.in_(ids))).rowcount
    return counts


def _belonging(subjects: Sequence[Subject]) -> ColumnElement[bool]:
    of_kind: dict[str, list[str]] = {"trace": [], "session": [], "user": []}
    for subject in subjects:
        of_kind[subject.kind].append(subject.id)
    return or_(
        traces.c.trace_id.in_(of_kind["trace"]),
        traces.c.session_id.in_(of_kind["session"]),
        traces.c.user_id.in_(of_kind["user"]),
    )


def _leave_sessions(database: Database, connection: Connection, ids: list[str]) -> Counter[str]:
    """The traces' sessions without them: verdicts on the whole conversation go, they were given on their text, too."""
    counts: Counter[str] = Counter()
    of_traces = select(traces.c.session_id).where(traces.c.trace_id.in_(ids), traces.c.session_id.is_not(None))
    named = sorted(set(connection.execute(of_traces).scalars()))
    query = select(sessions.c.session_id, sessions.c.traces).where(sessions.c.session_id.in_(named))
    for row in connection.execute(query.order_by(sessions.c.session_id).with_for_update()).all():
        left = [trace_id for trace_id in row.traces or () if trace_id not in ids]
        counts["scores"] += connection.execute(
            delete(scores).where(scores.c.session_id == row.session_id, scores.c.target == "session")
        ).rowcount
        _withdraw(connection, row.session_id, row.traces or ())
        if not left:
            counts["sessions"] += _drop_sessions(connection, [row.session_id])
            continue
        prints = select(traces.c.trace_id, traces.c.fingerprint).where(traces.c.trace_id.in_(left))
        known = sorted((found.trace_id, found.fingerprint) for found in connection.execute(prints))
        connection.execute(
            update(sessions)
            .where(sessions.c.session_id == row.session_id)
            .values(traces=left, fingerprint=plain_digest(known), stored_at=datetime.now(UTC))
        )
    return counts


def _withdraw(connection: Connection, session_id: str, members: Sequence[str]) -> None:
    """Requests about a session, asked under the newest trace of the time."""
    asked = select(request_decisions.c.request_id).where(
        request_decisions.c.trace_id.in_(members), request_decisions.c.target_id == f"session:{session_id}"
    )
    request_ids = list(connection.execute(asked).scalars())
    for table in (request_decisions, requests):
        connection.execute(delete(table).where(table.c.request_id.in_(request_ids)))


def _drop_sessions(connection: Connection, session_ids: Sequence[str]) -> int:
    return connection.execute(delete(sessions).where(sessions.c.session_id.in_(session_ids))).rowcount
