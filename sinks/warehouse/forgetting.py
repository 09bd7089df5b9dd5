"""What stands about deleted traces in rows that stay: worst traces of alerts, drift events, kept bytes of dead letters."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64
from collections import Counter
from collections.abc import Iterator, Set
from typing import Any

import orjson
from sqlalchemy import Column, Select, Table, select, update

from .database import Database
from .tables import alerts, dead_letters, drift_events, outbox

ROWS_AT_ONCE = 500


def forget_findings(database: Database, gone: Set[str]) -> Counter[str]:
    """Take the traces out of alerts and drift events, those that wait to be sent included; rows changed."""
    counts: Counter[str] = Counter()
    for table, key, body in ((alerts, alerts.c.seq, alerts.c.body), (outbox, outbox.c.id, outbox.c.body)):
        for rows in _pages(database, table, key, select(key, body)):
            changed = [(row[0], {body.name: new}) for row in rows if (new := _without(row[1], gone)) is not None]
            counts[table.name] += _write(database, table, key, changed)
    events = drift_events.c
    named = select(events.seq, events.trace_id, events.subject, events.explanation, events.details)
    for rows in _pages(database, drift_events, events.seq, named):
        found = ((row.seq, _without(dict(row._mapping), gone)) for row in rows)
        changed = [(seq, {k: v for k, v in new.items() if k != "seq"}) for seq, new in found if new is not None]
        counts["drift_events"] += _write(database, drift_events, events.seq, changed)
    return counts


def blank_letters(database: Database, gone: Set[str]) -> int:
    """Take the kept bytes and the key from dead letters that hold one of these ids; reason and position stay."""
    letters, needles = dead_letters.c, _needles(gone)
    query = select(letters.letter_id, letters.key, letters.payload).where(
        letters.payload.is_not(None) | letters.key.is_not(None)
    )
    count = 0
    for rows in _pages(database, dead_letters, letters.letter_id, query):
        ids = [row.letter_id for row in rows if row.key in gone or _holds(row.payload, needles)]
        if ids:
            with database.write() as connection:
                blank = update(dead_letters).where(letters.letter_id.in_(ids)).values(payload=None, key=None)
                count += connection.execute(blank).rowcount
    return count


def _pages(database: Database, table: Table, key: Column[Any], query: Select[Any]) -> Iterator[list[Any]]:
    """All rows, some at a time, in order of their key."""
    last = None
    while True:
        page = query if last is None else query.where(key > last)
        with database.read() as connection:
            rows = list(connection.execute(page.order_by(key).limit(ROWS_AT_ONCE)))
        if not rows:
            return
        last = rows[-1][0]
        yield rows


def _write(database: Database, table: Table, key: Column[Any], changed: list[tuple[Any, dict[str, Any]]]) -> int:
    if changed:
        with database.write() as connection:
            for found, values in changed:
                connection.execute(update(table).where(key == found).values(values))
    return len(changed)


def _without(body: Any, gone: Set[str]) -> Any:
    """An alert or a drift event without these traces, in the form that it came in; None when it names none of them."""
    packed = isinstance(body, bytes | memoryview)
    record: dict[str, Any] = dict(orjson.loads(bytes(body)) if packed else body)
    changed = False
    if record.get("trace_id") in gone:
        record["trace_id"], changed = "", True
    worst = record.get("worst") or []
    left = [one for one in worst if one.get("trace_id") not in gone]
    if len(left) < len(worst):
        record["worst"], changed = left, True
    changed |= _forget_texts(record, gone)
    if not changed:
        return None
    return orjson.dumps(record) if packed else record


def _forget_texts(record: dict[str, Any], gone: Set[str]) -> bool:
    """Take these traces' excerpts out of a drift event."""
    details = record.get("details") or {}
    traces, texts = details.get("typical_traces") or [], details.get("typical_texts") or []
    if gone.isdisjoint(traces):
        return False
    for text in (one["text"] for one in texts if one["trace_id"] in gone):
        record["explanation"] = record["explanation"].replace(f"“{text}”", "“…”")
        record["subject"] = None if record.get("subject") == text else record.get("subject")
    left = {
        "typical_traces": [trace for trace in traces if trace not in gone],
        "typical_texts": [one for one in texts if one["trace_id"] not in gone],
    }
    record["details"] = {**details, **left}
    return True


def _needles(gone: Set[str]) -> list[bytes]:
    """The ids as text, and trace ids of OpenTelemetry as the bytes that protobuf holds."""
    found = [text.encode("utf-8", "replace") for text in gone]
    for text in gone:
        try:
            found.append(bytes.fromhex(text) if len(text) == 32 else b"")
        except ValueError:
            continue
    return [needle for needle in found if needle]


def _holds(payload: str | None, needles: list[bytes]) -> bool:
    if not payload:
        return False
    try:
        data = b64decode(payload)
    except NotBase64:
        return True  # nobody can say what it holds
    return any(needle in data for needle in needles)
