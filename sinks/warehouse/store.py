"""Writing traces: the growing set of span versions ever seen under each id."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import reduce

from sqlalchemy import Connection, select, update

from schemas.merge import merge_traces, with_digests
from schemas.trace import Trace

from .database import Database, replacing
from .erasure import erase
from .load import load_traces
from .part import Part
from .records import Stored, Subject
from .rows import Row, message_row, span_row, tools_row, trace_row
from .tables import messages, spans, traces
from .tombstones import buried, subjects_of

Pair = tuple[str, str]
"""(span id, span digest)"""

_KEPT = {"trace_id", "passed_over", "measured", "stored_at"}
_COMPARED = (
    "session_id",
    "user_id",
    "project",
    "environment",
    "resource",
    "incomplete",
    "partial",
    "fingerprint",
    "revision",
)


_SETS = ", ".join(f'"{c.name}" = excluded."{c.name}"' for c in traces.c if c.name not in _KEPT)
_UPDATE_TRACE = f"ON CONFLICT (trace_id) DO UPDATE SET {_SETS}"
_HIDE_SPAN = "UPDATE spans SET shown = false WHERE trace_id = ? AND span_id = ? AND digest = ?"


class TraceWrites(Part):
    """Writing traces."""

    def store_traces(self, fragments: Sequence[Trace]) -> dict[str, Stored]:
        """Add what is new in `fragments` (several may share a trace id) and return each trace as it now stands.

        One transaction. The rows of the traces are locked in the order of their ids, so that two workers with pieces of
        the same traces wait for each other and neither overlooks what the other brought. Traces that were deleted, by
        their own id or by that of their session or user, are left out of the result, and what is held of them goes.
        """
        pieces: dict[str, list[Trace]] = defaultdict(list)
        for fragment in fragments:
            pieces[fragment.trace_id].append(fragment)
        if not pieces:
            return {}
        with self.database.write() as connection:
            old = _lock(self.database, connection, sorted(pieces))
            held = load_traces(connection, old)
            gone = _deleted(self.database, connection, [*fragments, *held.values()])
            if gone:
                erase(self.database, connection, sorted(gone))
            pairs = _pairs(connection, old)
            changes = _Changes(self.database)
            found = {
                trace_id: changes.add(held.get(trace_id), pairs[trace_id], several)
                for trace_id, several in pieces.items()
                if trace_id not in gone
            }
            changes.write(connection)
        return found

    def partial_older_than(self, age_s: float) -> list[str]:
        """Traces that came as partial records at least `age_s` seconds ago and whose rest never came; oldest first."""
        limit = datetime.now(UTC) - timedelta(seconds=age_s)
        query = (
            select(traces.c.trace_id)
            .where(traces.c.partial, traces.c.stored_at <= limit)
            .order_by(traces.c.stored_at, traces.c.trace_id)
        )
        with self.database.read() as connection:
            return list(connection.execute(query).scalars())

    def clear_partial(self, trace_ids: Sequence[str]) -> None:
        """From now on these are no longer partial but incomplete: an age limit has cut them."""
        with self.database.write() as connection:
            held = _lock_old(connection, sorted(set(trace_ids)))
            connection.execute(
                update(traces)
                .where(traces.c.trace_id.in_(held), traces.c.partial)
                .values(partial=False, incomplete=True)
            )


@dataclass
class _Changes:
    """Rows to write, gathered over a batch."""

    database: Database
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    traces: list[Row] = field(default_factory=list)
    spans: list[Row] = field(default_factory=list)
    hidden: list[Row] = field(default_factory=list)
    messages: list[Row] = field(default_factory=list)

    def add(self, held: Trace | None, known: set[Pair], pieces: list[Trace]) -> Stored:
        came = {(span.span_id, span.digest): span for piece in pieces for span in piece.spans}
        merged = _joined(held, pieces)
        merged = with_digests(merged, known | came.keys())
        gained = came.keys() - known
        self._add_spans(held, merged, {pair: came[pair] for pair in gained})
        self._add_messages(held, merged)
        if held is None or any(getattr(held, name) != getattr(merged, name) for name in _COMPARED):
            self.traces.append(trace_row(self.database, merged, self.now))
        return Stored(merged, is_new=held is None, gained=bool(gained))

    def _add_spans(self, held: Trace | None, merged: Trace, gained: dict[Pair, object]) -> None:
        trace_id, before = merged.trace_id, held.by_id if held else {}
        for span in merged.spans:
            old = before.get(span.span_id)
            if old is not None and old.digest != span.digest:
                self.hidden.append((trace_id, old.span_id, old.digest))
            # Equal digests and yet another body: whose tokens count may change with the spans around.
            if old is None or (old is not span and old != span):
                self.spans.append(span_row(self.database, trace_id, span, shown=True))
        shown = {(span.span_id, span.digest) for span in merged.spans}
        self.spans += (
            span_row(self.database, trace_id, span, shown=False)  # type: ignore[arg-type]
            for pair, span in gained.items()
            if pair not in shown
        )

    def _add_messages(self, held: Trace | None, merged: Trace) -> None:
        said, tools = (held.messages, held.tool_sets) if held else ({}, {})
        for digest, message in merged.messages.items():
            old = said.get(digest)
            if old is None or (old is not message and old != message):
                self.messages.append(message_row(merged.trace_id, message))
        for digest, tool_set in merged.tool_sets.items():
            if digest not in tools or tools[digest] != tool_set:
                self.messages.append(tools_row(merged.trace_id, digest, tool_set))

    def write(self, connection: Connection) -> None:
        database = self.database
        database.insert(connection, traces, _UPDATE_TRACE, self.traces)
        database.many(connection, _HIDE_SPAN, self.hidden)
        database.insert(connection, spans, replacing(spans), self.spans)
        database.insert(connection, messages, replacing(messages), self.messages)


def _deleted(database: Database, connection: Connection, pieces: Sequence[Trace]) -> set[str]:
    """Ids of the traces of which any piece belongs to something that was deleted."""
    subjects = {piece.trace_id: set[Subject]() for piece in pieces}
    for piece in pieces:
        subjects[piece.trace_id].update(subjects_of(piece))
    gone = buried(database, connection, set().union(*subjects.values()))
    return {trace_id for trace_id, found in subjects.items() if found & gone} if gone else set()


def _joined(held: Trace | None, pieces: list[Trace]) -> Trace:
    """All pieces as one trace. Whether a limit has cut it, only those that are not partial can say."""
    several = [piece for piece in (held, *pieces) if piece is not None]
    silent = [p.model_copy(update={"incomplete": True}) if p.partial and not p.incomplete else p for p in several]
    return reduce(merge_traces, silent, silent[0])


def _lock(database: Database, connection: Connection, ids: list[str]) -> list[str]:
    """Lock the rows of these traces, making those that lack; return the ids that were there before.

    On SQLite the transaction is the only writer and nothing need be made. On PostgreSQL a second worker that brings
    the same new trace waits at the INSERT until the first is done, then finds it.
    """
    if database.dialect == "sqlite":
        return _lock_old(connection, ids)
    new = connection.exec_driver_sql(
        "INSERT INTO traces (trace_id, stored_at) SELECT id, %s FROM unnest(%s::text[]) AS id "
        "ON CONFLICT DO NOTHING RETURNING trace_id",
        (datetime.now(UTC), ids),
    )
    made = set(new.scalars())
    return _lock_old(connection, [trace_id for trace_id in ids if trace_id not in made])


def _lock_old(connection: Connection, ids: list[str]) -> list[str]:
    query = select(traces.c.trace_id).where(traces.c.trace_id.in_(ids)).order_by(traces.c.trace_id).with_for_update()
    return list(connection.execute(query).scalars()) if ids else []


def _pairs(connection: Connection, ids: list[str]) -> dict[str, set[Pair]]:
    found: dict[str, set[Pair]] = defaultdict(set)
    if ids:
        query = select(spans.c.trace_id, spans.c.span_id, spans.c.digest).where(spans.c.trace_id.in_(ids))
        for trace_id, span_id, digest in connection.execute(query):
            found[trace_id].add((span_id, digest))
    return found
