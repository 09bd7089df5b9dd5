"""The decisions of one call against what stands: which are kept, and which are measured."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, select

from schemas.judge_request import JudgeRequest, View
from schemas.score import PRECEDENCE, DecisionKey, Score
from schemas.source import Source

from .database import Database, insert_sql
from .records import TraceDecisions
from .rows import Row, score_row, source_row
from .tables import request_decisions, requests, scores, sessions, traces
from .types import json_text

Subject = tuple[str, str]
"""What is measured once for each evaluator: ("trace", id) or ("session", id)."""


class Ledger:
    """Reads and locks the rows of the traces (then of the sessions) in the order of their ids; then decides in memory.

    `stored` and `in_flight` hold what stands; they are filled by the caller under the locks. `repeated` are keys whose
    own row was there already.
    """

    def __init__(
        self, database: Database, connection: Connection, ids: Sequence[str], decisions: Sequence[TraceDecisions]
    ) -> None:
        self.database = database
        self._now = database.time(datetime.now(UTC))
        self._measured: dict[Subject, set[str]] = {}
        self._passed_over: dict[str, dict[str, str]] = {}
        self._changed: set[Subject] = set()
        self._scores: dict[DecisionKey, Row] = {}
        self._requests: list[Row] = []
        self._request_keys: list[Row] = []
        self.stored: dict[DecisionKey, tuple[str, Source | None]] = {}
        self.in_flight: dict[DecisionKey, Source | None] = {}
        self.repeated: set[DecisionKey] = set()
        self._lock_traces(connection, ids)
        self._lock_sessions(connection, session_ids(decisions))

    def enter(self, decisions: TraceDecisions) -> TraceDecisions:
        """Take up one record's decisions; return those that are its own."""
        first = {
            (subject, score.evaluator)
            for score in decisions.scores
            if score.status == "scored"
            and score.source is not None
            and score.evaluator not in self._measured.get(subject := _subject(score), {score.evaluator})
        }
        scores = [kept for score in decisions.scores if (kept := self._enter_score(score, first)) is not None]
        asked = [own for request in decisions.requests if (own := self._enter_request(request)) is not None]
        held = self._passed_over.get(decisions.trace_id)
        if held is not None and any(held.get(name) != why for name, why in decisions.passed_over.items()):
            held.update(decisions.passed_over)
            self._changed.add(("trace", decisions.trace_id))
        return TraceDecisions(decisions.trace_id, scores, asked, decisions.passed_over)

    def write(self, connection: Connection, better: str) -> None:
        """Write what `enter` kept; `better` is the tail of the INSERT that lets the better score stand."""
        self.database.insert(connection, scores, better, [self._scores[key] for key in sorted(self._scores)])
        self.database.many(connection, insert_sql(requests), self._requests)
        self.database.many(connection, insert_sql(request_decisions), self._request_keys)
        self._write_subjects(connection)

    def _enter_score(self, score: Score, first: set[tuple[Subject, str]]) -> Score | None:
        key, subject = score.key, _subject(score)
        standing = self.stored.get(key)
        if standing is not None and PRECEDENCE[standing[0]] >= PRECEDENCE[score.status]:
            if standing[1] != score.source:
                return None
            if key not in self._scores:
                self.repeated.add(key)
            return score
        measured = score.status == "scored" and (subject, score.evaluator) in first
        if measured:
            self._measured[subject].add(score.evaluator)
            self._changed.add(subject)
        self.stored[key] = (score.status, score.source)
        self._scores[key] = score_row(self.database, score, self._now, measured=measured)
        return score if score.measured == measured else score.model_copy(update={"measured": measured})

    def _enter_request(self, request: JudgeRequest) -> JudgeRequest | None:
        free = [view for view in request.views if any(self._is_free(key, request) for key in _keys(request, view))]
        if not free:
            return None
        subject = ("session", request.session_id or "") if request.target == "session" else ("trace", request.trace_id)
        counted = self._measured.get(subject)
        measurable = request.measurable and (counted is None or not counted.issuperset(request.decisions))
        if len(free) < len(request.views) or measurable != request.measurable:
            request = request.model_copy(update={"views": tuple(free), "measurable": measurable})
        new = [key for view in request.views for key in _keys(request, view) if key not in self.in_flight]
        self._request_keys += ((*key, request.request_id) for key in new)
        self.in_flight.update(dict.fromkeys(new, request.source))
        if new:
            self._requests.append(
                (
                    request.request_id,
                    request.trace_id,
                    request.evaluator,
                    request.evaluator_version,
                    *source_row(request.source),
                    self._now,
                    json_text(request),
                )
            )
        return request

    def _is_free(self, key: DecisionKey, request: JudgeRequest) -> bool:
        """Neither decided nor asked by another record. What this record asked before is asked again."""
        return key not in self.stored and self.in_flight.get(key, request.source) == request.source

    def _lock_traces(self, connection: Connection, ids: Sequence[str]) -> None:
        query = (
            select(traces.c.trace_id, traces.c.measured, traces.c.passed_over, traces.c.partial)
            .where(traces.c.trace_id.in_(ids))
            .order_by(traces.c.trace_id)
            .with_for_update()
        )
        for row in connection.execute(query) if ids else ():
            self._passed_over[row.trace_id] = dict(row.passed_over or {})
            if not row.partial:
                self._measured["trace", row.trace_id] = set(row.measured or ())

    def _lock_sessions(self, connection: Connection, ids: Sequence[str]) -> None:
        query = (
            select(sessions.c.session_id, sessions.c.measured)
            .where(sessions.c.session_id.in_(ids))
            .order_by(sessions.c.session_id)
            .with_for_update()
        )
        for row in connection.execute(query) if ids else ():
            self._measured["session", row.session_id] = set(row.measured or ())

    def _write_subjects(self, connection: Connection) -> None:
        """Measured evaluators of traces and sessions, and what was passed over."""
        measured: dict[str, list[Row]] = {"trace": [], "session": []}
        passed_over: list[Row] = []
        for kind, key in sorted(self._changed):
            if (kind, key) in self._measured:
                measured[kind].append((json_text(sorted(self._measured[kind, key])), key))
            if kind == "trace":
                passed_over.append((json_text(self._passed_over[key]), key))
        self.database.many(connection, "UPDATE traces SET measured = ? WHERE trace_id = ?", measured["trace"])
        self.database.many(connection, "UPDATE sessions SET measured = ? WHERE session_id = ?", measured["session"])
        self.database.many(connection, "UPDATE traces SET passed_over = ? WHERE trace_id = ?", passed_over)


def _subject(score: Score) -> Subject:
    return ("session", score.session_id or "") if score.target == "session" else ("trace", score.trace_id)


def session_ids(decisions: Sequence[TraceDecisions]) -> list[str]:
    """Sessions that are decided as a whole, in order."""
    of_scores = {s.session_id for d in decisions for s in d.scores if s.target == "session"}
    of_requests = {r.session_id for d in decisions for r in d.requests if r.target == "session"}
    return sorted(found for found in of_scores | of_requests if found)


def _keys(request: JudgeRequest, view: View) -> list[DecisionKey]:
    return [
        DecisionKey(request.trace_id, name, request.evaluator_version, view.target_id, view.target_digest)
        for name in request.decisions
    ]
