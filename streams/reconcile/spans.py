"""Every (span id, digest) that was sent is in the warehouse, or its record or trace is a dead letter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from schemas.errors import InvalidRecord
from schemas.native import read_trace
from schemas.otlp import decode
from schemas.settings import Topics
from schemas.trace import Span, Trace
from sinks.warehouse.types import sqlite_time
from streams.kafka.clock import record_time
from streams.reconcile.ground import Ground
from streams.reconcile.report import Missing

WAITING, TOLD = "span", "span told"

Versions = Mapping[str, Mapping[str, Sequence[tuple[datetime, str]]]]


class Spans:
    """Checks the spans of `otlp_spans`, `otlp_spans_by_trace` and `traces`."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def take_exports(self, topic: str, records: Sequence[Any]) -> None:
        """OTLP records."""
        spans, unread = [], []
        for record in records:
            try:
                fragments = decode(record.value or b"", self._ground.hasher)
            except InvalidRecord:
                unread.append(record)
            else:
                spans += [(record, f.trace_id, span) for f in fragments for span in f.spans]
        self._ground.account_unread("records", topic, unread)
        self._look(topic, spans)

    def take_traces(self, records: Sequence[Any]) -> list[tuple[Any, Trace]]:
        """Records of `traces`; those that could be read, with what they say."""
        ground, settings = self._ground, self._ground.settings
        found, unread = [], []
        for record in records:
            try:
                trace = read_trace(
                    record.value or b"",
                    ground.hasher,
                    default_project=settings.project,
                    default_environment=settings.environment,
                )
            except InvalidRecord:
                unread.append(record)
            else:
                found.append((record, trace))
        inside = [(record, trace) for record, trace in found if ground.is_asked_about(record)]
        ground.account_unread("records", Topics.TRACES, [r for r in unread if ground.is_asked_about(r)])
        self._look(Topics.TRACES, [(record, trace.trace_id, span) for record, trace in inside for span in trace.spans])
        waiting = [trace for record, trace in found if not ground.is_done(Topics.TRACES, record)]
        ground.remember(WAITING, (_key(trace.trace_id, span.span_id) for trace in waiting for span in trace.spans))
        return found

    def finish(self) -> None:
        """Those that were not found are looked for again, in all the places where they may be."""
        query = 'SELECT trace_id, span_id, digest, topic, "partition", "offset", ended, written FROM span ORDER BY topic, trace_id'
        for rows in self._ground.scratch.rows(query):
            for topic in dict.fromkeys(row[3] for row in rows):
                self._settle(topic, [row for row in rows if row[3] == topic])

    def _look(self, topic: str, spans: Sequence[tuple[Any, str, Span]]) -> None:
        """Count what is stored and keep the others for later."""
        versions = self._ground.warehouse.span_versions([trace_id for _, trace_id, _ in spans])
        later = []
        for record, trace_id, span in spans:
            account = _account(versions, trace_id, span.span_id, span.digest, span.end)
            if account is not None:
                self._ground.report.add("spans", account)
            else:
                place = topic, record.partition, record.offset
                later.append((trace_id, span.span_id, span.digest, *place, sqlite_time(span.end), _written(record)))
        self._ground.scratch.many("INSERT OR IGNORE INTO span VALUES (?, ?, ?, ?, ?, ?, ?, ?)", later)

    def _settle(self, topic: str, rows: Sequence[tuple[Any, ...]]) -> None:
        ground, report = self._ground, self._ground.report
        versions = ground.warehouse.span_versions([row[0] for row in rows])
        buried = ground.warehouse.letters_at(topic, [row[5] for row in rows])
        cut = ground.warehouse.letters_with_keys(topic, [row[0] for row in rows])
        waiting = ground.scratch.met(WAITING, (_key(row[0], row[1]) for row in rows))
        gone = ground.deleted(row[0] for row in rows)
        for trace_id, span_id, digest, _, partition, offset, ended, written in rows:
            account = _account(versions, trace_id, span_id, digest, datetime.fromisoformat(ended))
            if account is not None:
                report.add("spans", account)
            elif (partition, offset) in buried or trace_id in cut:
                report.add("spans", "dead_letter")
            elif trace_id in gone:
                report.add("spans", "deleted")
            elif ground.is_beyond_retention(datetime.fromisoformat(written)):
                report.add("spans", "beyond_retention")
            elif offset >= ground.done(topic, partition) or _key(trace_id, span_id) in waiting:
                report.add("spans", "in_flight")
            elif not ground.scratch.met(TOLD, [_key(trace_id, span_id, digest)]):
                ground.remember(TOLD, [_key(trace_id, span_id, digest)])
                place = {"topic": topic, "partition": partition, "offset": offset}
                detail = f"digest {digest} is not stored"
                report.miss(Missing("spans", "span_lost", trace_id=trace_id, span_id=span_id, detail=detail, **place))


def _account(versions: Versions, trace_id: str, span_id: str, digest: str, end: datetime) -> Any:
    """How the warehouse accounts for a version of a span; None when it does not."""
    held = versions.get(trace_id, {}).get(span_id, ())
    if any(digest == other for _, other in held):
        return "stored"
    return "replaced" if any((e, other) > (end, digest) for e, other in held) else None


def _written(record: Any) -> str:
    return sqlite_time(record_time(record))


def _key(*parts: str) -> str:
    return "/".join(parts)
