"""Every applicable (target, evaluator) of a trace or session as it now stands has a decision, or is asked of a judge.

Evaluators are pure, so what the workers should have decided is what the suite decides now about the stored trace and does
not find stored. Only evaluators whose version is the workers' are asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from drift.segments import dimension_names, dimensions
from evaluators.run import Decided
from schemas.errors import InvalidRecord
from schemas.score import DecisionKey
from schemas.session import SessionClosed
from schemas.settings import Topics
from schemas.trace import Trace
from streams.reconcile.ground import Ground
from streams.reconcile.report import Missing
from streams.reconcile.verdicts import LOST, TOLD, key_text, pair_text

TRACES_AT_ONCE = 50
WAITING_TRACE, WAITING_SESSION, SEEN = "trace", "session", "seen"
_LATER = "INSERT OR IGNORE INTO decision VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"


class Decisions:
    """Checks the decisions about the traces in `traces` and the sessions in `sessions`."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._current = ground.warehouse.current_evaluators()
        self._dimensions = dimension_names(ground.settings.monitor)

    def take_traces(self, found: Sequence[tuple[Any, Trace]]) -> None:
        """Records of `traces`, read."""
        ground = self._ground
        waiting = (trace.trace_id for record, trace in found if not ground.is_done(Topics.TRACES, record))
        ground.remember(WAITING_TRACE, waiting)
        places = {
            trace.trace_id: record
            for record, trace in found
            if ground.is_done(Topics.TRACES, record) and ground.is_asked_about(record)
        }
        seen = ground.scratch.met(SEEN, places)
        fresh = [trace_id for trace_id in places if trace_id not in seen]
        ground.remember(SEEN, fresh)
        for start in range(0, len(fresh), TRACES_AT_ONCE):
            self._look(fresh[start : start + TRACES_AT_ONCE], places)

    def take_sessions(self, records: Sequence[Any]) -> None:
        """Records of `sessions`."""
        ground, unread = self._ground, []
        for record in records:
            try:
                closed = SessionClosed.from_bytes(record.value or b"")
            except InvalidRecord:
                unread.append(record)
                continue
            if not ground.is_done(Topics.SESSIONS, record):
                ground.remember(WAITING_SESSION, [closed.session_id])
                ground.report.add("sessions", "in_flight")
            elif ground.is_asked_about(record):
                self._look_at_session(record, closed)
        ground.account_unread("records", Topics.SESSIONS, unread)

    def finish(self) -> None:
        """What was not found is looked for again: a trace that has changed since we began is still being worked on."""
        query = (
            "SELECT trace_id, evaluator, version, target_id, target_digest, kind, topic, "
            '"partition", "offset" FROM decision'
        )
        for rows in self._ground.scratch.rows(query):
            self._settle([(DecisionKey(*row[:5]), *row[5:]) for row in rows])

    def _look(self, trace_ids: Sequence[str], places: dict[str, Any]) -> None:
        ground = self._ground
        known = ground.warehouse.known_decisions(trace_ids)
        decided_keys = ground.warehouse.decided_keys(trace_ids)
        for trace_id, trace in ground.warehouse.traces(trace_ids).items():
            decided = ground.suite.decide(
                trace,
                known[trace_id].keys,
                source=None,
                event_time=trace.end,
                now=datetime.now(UTC),
                dimensions=dimensions(trace, self._dimensions),
            )
            missing = list(self._keys_of(decided))
            self._later("trace", missing, Topics.TRACES, places[trace_id])
            stored = len(known[trace_id].keys & decided_keys)
            ground.report.add("decisions", "stored", stored)
            ground.report.add("decisions", "in_flight", len(known[trace_id].keys) - stored)

    def _look_at_session(self, record: Any, closed: SessionClosed) -> None:
        ground = self._ground
        session = ground.warehouse.session(closed.session_id)
        if session is None or not session.traces:
            stored = ground.warehouse.fingerprints([member.trace_id for member in closed.members])
            if stored:
                self._miss_session(record, closed)
            return
        ground.report.add("sessions", "stored")
        newest = session.traces[-1]
        decided = ground.suite.decide_session(
            session,
            ground.warehouse.known_decisions([newest.trace_id])[newest.trace_id].keys,
            source=None,
            event_time=newest.end,
            now=datetime.now(UTC),
            dimensions=dimensions(newest, self._dimensions),
        )
        self._later("session", list(self._keys_of(decided)), Topics.SESSIONS, record)

    def _miss_session(self, record: Any, closed: SessionClosed) -> None:
        self._ground.report.miss(
            Missing(
                "sessions",
                "session_lost",
                topic=Topics.SESSIONS,
                partition=record.partition,
                offset=record.offset,
                detail=f"session {closed.session_id} is not stored",
            )
        )

    def _keys_of(self, decided: Decided) -> Iterator[DecisionKey]:
        """The missing decisions of current versions."""
        keys = [score.key for score in decided.scores]
        for request in decided.requests:
            keys += [
                DecisionKey(request.trace_id, name, request.evaluator_version, view.target_id, view.target_digest)
                for view in request.views
                for name in request.decisions
            ]
        for key in keys:
            if self._current.get(key.evaluator, ("",))[0] == key.evaluator_version:
                yield key

    def _later(self, kind: str, keys: Sequence[DecisionKey], topic: str, record: Any) -> None:
        self._ground.scratch.many(_LATER, [(*key, kind, topic, record.partition, record.offset) for key in keys])

    def _settle(self, rows: Sequence[tuple[Any, ...]]) -> None:
        ground, report = self._ground, self._ground.report
        ids = [key.trace_id for key, *_ in rows]
        known = ground.warehouse.known_decisions(ids)
        changed = ground.warehouse.traces_stored_at(ids)
        waiting = ground.scratch.met(WAITING_TRACE, ids)
        told = ground.scratch.met(TOLD, (key_text(key) for key, *_ in rows))
        sessions = ground.scratch.met(WAITING_SESSION, (key.target_id.removeprefix("session:") for key, *_ in rows))
        for key, kind, topic, partition, offset in rows:
            stored_at = changed.get(key.trace_id)
            _, since = self._current.get(key.evaluator, ("", None))
            if key_text(key) in told or stored_at is None:
                continue  # told of already; or its trace is gone, and its spans were told of
            if key in known[key.trace_id].keys:
                report.add("decisions", "stored")
            elif (
                key.trace_id in waiting
                or key.target_id.removeprefix("session:") in sessions
                or stored_at >= ground.started
            ):
                report.add("decisions", "in_flight")
            elif since is not None and stored_at < since:
                report.add("decisions", "before_version")
            else:
                ground.remember(LOST, [pair_text(key.trace_id, key.evaluator)])
                report.miss(
                    Missing(
                        "decisions",
                        "decision_lost",
                        trace_id=key.trace_id,
                        span_id=key.target_id or None,
                        evaluator=key.evaluator,
                        topic=topic,
                        partition=partition,
                        offset=offset,
                        detail=f"the {kind} has no decision of version {key.evaluator_version}",
                    )
                )
