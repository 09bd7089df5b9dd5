"""Sessions: the traces of one conversation, and what identifies them together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, RowMapping, delete, select, update

from schemas.ids import plain_digest
from schemas.session import SessionClosed, SessionMember
from schemas.trace import Session, Trace

from .database import Database
from .load import load_traces
from .part import Part
from .records import Subject
from .tables import sessions
from .tombstones import buried


class Sessions(Part):
    """Reading and writing sessions."""

    def store_session(self, closed: SessionClosed) -> Session | None:
        """Add the members to a session and return it whole; None when none of its traces is stored, or when it was
        deleted. Members that were deleted are left out.

        The fingerprint is made of what the traces are now, not of what they were when they became members. The revision
        is the sum of the traces' revisions, so that it rises whenever a trace comes or grows.
        """
        subject = Subject("session", closed.session_id)
        members = [Subject("trace", member.trace_id) for member in closed.members]
        with self.database.write() as connection:
            held = _lock(self.database, connection, closed.session_id)
            gone = buried(self.database, connection, [subject, *members])
            if subject in gone or (gone.issuperset(members) and not held["traces"]):
                connection.execute(delete(sessions).where(sessions.c.session_id == closed.session_id))
                return None
            ids = sorted({*(held["traces"] or ()), *(member.id for member in members if member not in gone)})
            traces = _by_age(load_traces(connection, ids))
            project, environment = _place(held, closed.members)
            session = Session(
                session_id=closed.session_id,
                project=project,
                environment=environment,
                traces=traces,
                revision=sum(trace.revision for trace in traces),
                fingerprint=plain_digest(sorted((trace.trace_id, trace.fingerprint) for trace in traces)),
            )
            connection.execute(
                update(sessions)
                .where(sessions.c.session_id == closed.session_id)
                .values(
                    project=project,
                    environment=environment,
                    fingerprint=session.fingerprint,
                    revision=session.revision,
                    traces=ids,
                )
            )
        return session if session.traces else None

    def session(self, session_id: str) -> Session | None:
        """The session with its stored traces, oldest first; None when nothing is known of it."""
        with self.database.read() as connection:
            row = connection.execute(select(sessions).where(sessions.c.session_id == session_id)).mappings().first()
            if row is None:
                return None
            traces = _by_age(load_traces(connection, row["traces"] or ()))
        return Session(
            session_id=session_id,
            project=row["project"],
            environment=row["environment"],
            traces=traces,
            revision=row["revision"],
            fingerprint=row["fingerprint"],
        )


def _by_age(traces: dict[str, Trace]) -> tuple[Trace, ...]:
    return tuple(sorted(traces.values(), key=lambda trace: (trace.start, trace.trace_id)))


def _place(held: RowMapping, members: Sequence[SessionMember]) -> tuple[str, str]:
    """Project and environment; where members differ the largest, whatever their order."""
    return (
        max([held["project"], *(member.project for member in members)]),
        max([held["environment"], *(member.environment for member in members)]),
    )


def _lock(database: Database, connection: Connection, session_id: str) -> RowMapping:
    connection.exec_driver_sql(
        database.sql("INSERT INTO sessions (session_id, stored_at) VALUES (?, ?) ON CONFLICT DO NOTHING"),
        (session_id, database.time(datetime.now(UTC))),
    )
    query = select(sessions).where(sessions.c.session_id == session_id).with_for_update()
    return connection.execute(query).mappings().one()
