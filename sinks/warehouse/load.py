"""Traces read back whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import orjson
from sqlalchemy import Connection, RowMapping, Text, select, type_coerce

from schemas.trace import Trace

from .part import Part
from .rows import TOOLS_ROLE
from .tables import messages, spans, traces

IDS_AT_ONCE = 5000
"""Most ids in one statement; SQLite takes 32,766 parameters."""

_HEADER = ("trace_id", "session_id", "user_id", "project", "environment", "incomplete", "partial", "revision")


class TraceReads(Part):
    """Reading traces."""

    def traces(self, trace_ids: Sequence[str]) -> dict[str, Trace]:
        """The traces that are stored, each with its spans shown, by start and span id."""
        with self.database.read() as connection:
            return load_traces(connection, trace_ids)

    def fingerprints(self, trace_ids: Sequence[str]) -> dict[str, str]:
        """The current fingerprint of each trace that is stored."""
        found: dict[str, str] = {}
        with self.database.read() as connection:
            for ids in in_chunks(trace_ids):
                statement = select(traces.c.trace_id, traces.c.fingerprint).where(traces.c.trace_id.in_(ids))
                found.update((row.trace_id, row.fingerprint) for row in connection.execute(statement))
        return found


def load_traces(connection: Connection, trace_ids: Sequence[str]) -> dict[str, Trace]:
    """As `TraceReads.traces`, inside a transaction."""
    return {
        trace_id: Trace.from_bytes(text) for ids in in_chunks(trace_ids) for trace_id, text in _texts(connection, ids)
    }


def in_chunks(ids: Sequence[str]) -> Iterator[list[str]]:
    """Distinct ids, in lists of a bounded length."""
    distinct = list(dict.fromkeys(ids))
    for start in range(0, len(distinct), IDS_AT_ONCE):
        yield distinct[start : start + IDS_AT_ONCE]


def _texts(connection: Connection, ids: list[str]) -> Iterator[tuple[str, str]]:
    """Each trace as the JSON text of the record. Bodies are put together as text and read once by pydantic, which
    takes a third of the time of reading each by itself."""
    bodies: dict[str, list[str]] = defaultdict(list)
    span_query = (
        select(spans.c.trace_id, type_coerce(spans.c.body, Text))
        .where(spans.c.trace_id.in_(ids), spans.c.shown)
        .order_by(spans.c.trace_id, spans.c.start, spans.c.span_id)
    )
    for trace_id, body in connection.execute(span_query):
        bodies[trace_id].append(body)
    said, tools = _messages(connection, ids)
    header = [traces.c[name] for name in (*_HEADER, "fingerprint")]
    query = select(*header, type_coerce(traces.c.resource, Text).label("resource")).where(traces.c.trace_id.in_(ids))
    for row in connection.execute(query).mappings():
        trace_id = row["trace_id"]
        yield trace_id, _trace_text(row, bodies[trace_id], said[trace_id], tools[trace_id])


def _trace_text(row: RowMapping, bodies: list[str], said: list[str], tools: list[str]) -> str:
    header = orjson.dumps({name: row[name] for name in (*_HEADER, "fingerprint")}).decode()
    return (
        f'{header[:-1]},"resource":{row["resource"] or "{}"},"spans":[{",".join(bodies)}],'
        f'"messages":{{{",".join(said)}}},"tool_sets":{{{",".join(tools)}}}}}'
    )


def _messages(connection: Connection, ids: list[str]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    said: dict[str, list[str]] = defaultdict(list)
    tools: dict[str, list[str]] = defaultdict(list)
    query = select(
        messages.c.trace_id, messages.c.digest, messages.c.role, messages.c.content, type_coerce(messages.c.body, Text)
    ).where(messages.c.trace_id.in_(ids))
    for trace_id, digest, role, content, body in connection.execute(query):
        key = orjson.dumps(digest).decode()
        if role == TOOLS_ROLE:
            tools[trace_id].append(f"{key}:{body}")
        else:
            start = orjson.dumps({"digest": digest, "role": role, "content": content}).decode()
            more = f",{body[1:]}" if body else "}"
            said[trace_id].append(f"{key}:{start[:-1]}{more}")
    return said, tools
