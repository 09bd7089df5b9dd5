"""Tombstones: what a person had deleted, so that late spans and replays do not bring it back.

A tombstone holds a keyed digest of the id, not the id. Everything that writes rows of a trace asks in its own
transaction; on PostgreSQL it thereby holds a lock that a burial waits for, so that no row can be written by somebody
who did not know.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import Connection, select

from schemas.errors import ConfigError
from schemas.trace import Trace

from .database import Database, insert_sql
from .load import in_chunks
from .part import Part
from .records import Subject
from .tables import tombstones


class Tombstones(Part):
    """Table `tombstones`."""

    def tombstoned(self, subjects: Iterable[Subject]) -> set[Subject]:
        """Those of the subjects that were deleted.

        Raises
        ------
        ConfigError : there are tombstones, and the installation's key to recognise them by was not given.
        """
        with self.database.read() as connection:
            return buried(self.database, connection, subjects)


def subjects_of(trace: Trace) -> list[Subject]:
    """What a trace belongs to: itself, its session, its user."""
    found = [Subject("trace", trace.trace_id)]
    if trace.session_id:
        found.append(Subject("session", trace.session_id))
    if trace.user_id:
        found.append(Subject("user", trace.user_id))
    return found


def buried(database: Database, connection: Connection, subjects: Iterable[Subject]) -> set[Subject]:
    """As `Tombstones.tombstoned`, inside a transaction."""
    if connection.execute(select(tombstones.c.kind).limit(1)).first() is None:
        return set()
    by_digest = {_digest(database, subject): subject for subject in subjects}
    found: set[Subject] = set()
    for some in in_chunks(list(by_digest)):
        query = select(tombstones.c.digest).where(tombstones.c.digest.in_(some))
        found.update(by_digest[digest] for digest in connection.execute(query).scalars())
    return found


def buried_traces(database: Database, connection: Connection, trace_ids: Iterable[str]) -> set[str]:
    """As `buried`, of traces."""
    return {found.id for found in buried(database, connection, (Subject("trace", i) for i in trace_ids))}


def bury(database: Database, connection: Connection, subjects: Iterable[Subject]) -> None:
    """Put up tombstones; those that stand keep their time."""
    now = database.time(datetime.now(UTC))
    rows = sorted({(_digest(database, subject), subject.kind, now) for subject in subjects})
    database.many(connection, insert_sql(tombstones), rows)


def wait_for_writers(database: Database, connection: Connection) -> None:
    """Wait until nobody writes who has not seen the tombstones of this transaction; on SQLite a writer is alone."""
    if database.dialect == "postgresql":
        connection.exec_driver_sql("LOCK TABLE tombstones IN ACCESS EXCLUSIVE MODE")


def _digest(database: Database, subject: Subject) -> str:
    if database.hasher is None:
        raise ConfigError(
            "this warehouse has tombstones, which only the installation's key can read", path="redaction.key"
        )
    return database.hasher.digest([subject.kind, subject.id])
