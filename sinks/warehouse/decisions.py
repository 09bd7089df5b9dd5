"""Writing decisions: who was first, who measures, and what a record has to emit again after a crash."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, select, tuple_

from schemas.judge_request import JudgeRequest
from schemas.score import DecisionKey, Score
from schemas.source import Source

from .database import Database, insert_sql
from .ledger import Ledger, session_ids
from .load import in_chunks
from .part import Part
from .positions import advance
from .records import Known, Position, Subject, TraceDecisions
from .rows import read_key, read_score, read_source, score_row
from .tables import request_decisions, requests, scores, traces
from .tombstones import buried, buried_traces

_RANK = "CASE {0}.status WHEN 'scored' THEN 2 WHEN 'failed' THEN 1 ELSE 0 END"
_KEY = "trace_id, evaluator, evaluator_version, target_id, target_digest"
_SETS = ", ".join(f'"{c.name}" = excluded."{c.name}"' for c in scores.c if not c.primary_key)
BETTER_SCORE = f"ON CONFLICT ({_KEY}) DO UPDATE SET {_SETS} WHERE {_RANK.format('excluded')} > {_RANK.format('scores')}"
LATER_SCORE = f"ON CONFLICT ({_KEY}) DO UPDATE SET {_SETS} WHERE excluded.event_time > scores.event_time"
_ANSWERED = (
    "DELETE FROM request_decisions WHERE trace_id = ? AND evaluator = ? AND evaluator_version = ? "
    "AND target_id = ? AND target_digest = ?"
)


class Decisions(Part):
    """Scores and judge requests."""

    def known_decisions(self, trace_ids: Sequence[str]) -> dict[str, Known]:
        """What each trace's decisions are so far, with the record that made each."""
        keys: dict[str, set[DecisionKey]] = defaultdict(set)
        sources: dict[str, dict[DecisionKey, Source]] = defaultdict(dict)
        measured: dict[str, frozenset[str]] = {}
        with self.database.read() as connection:
            for ids in in_chunks(trace_ids):
                marks = select(traces.c.trace_id, traces.c.measured).where(traces.c.trace_id.in_(ids))
                measured.update((row.trace_id, frozenset(row.measured or ())) for row in connection.execute(marks))
                for key, source in (*_scores(connection, ids), *_in_flight(connection, ids)):
                    keys[key.trace_id].add(key)
                    if source is not None:
                        sources[key.trace_id].setdefault(key, source)
        return {
            trace_id: Known(frozenset(keys[trace_id]), sources[trace_id], measured.get(trace_id, frozenset()))
            for trace_id in trace_ids
        }

    def stored_scores(self, trace_ids: Sequence[str]) -> dict[DecisionKey, Score]:
        """All scores of these traces, of every version."""
        found: dict[DecisionKey, Score] = {}
        with self.database.read() as connection:
            for ids in in_chunks(trace_ids):
                for row in connection.execute(select(scores).where(scores.c.trace_id.in_(ids))).mappings():
                    found[read_key(row)] = read_score(row)
        return found

    def write_decisions(
        self, decisions: Sequence[TraceDecisions], positions: Sequence[Position] = ()
    ) -> list[TraceDecisions]:
        """Store decisions and positions in one transaction; return those that are now stored by their own source.

        Of two decisions under one key the better stays (scored, then failed, then skipped), of equals the first. What
        another source has decided is left out of the result, so that a caller emits only its own. A trace's first
        scored rows of an evaluator are marked `measured`, all of this call together, unless the trace is partial.
        Rows of a trace that is not stored are written and never measured, and neither are decisions without a source:
        nobody emits what was computed beside the stream. Decisions on what was deleted are dropped.
        """
        return self._write(decisions, positions, answered=())

    def write_verdicts(self, verdicts: Sequence[Score], positions: Sequence[Position] = ()) -> list[Score]:
        """As `write_decisions`, of what a judge answered; the requests are then no longer in flight."""
        by_request: dict[tuple[str, Source | None], list[Score]] = defaultdict(list)
        for score in verdicts:  # of two requests about a trace only the first is measured
            by_request[score.trace_id, score.source].append(score)
        decisions = [TraceDecisions(trace_id, found) for (trace_id, _), found in by_request.items()]
        stored = self._write(decisions, positions, answered=[score.key for score in verdicts])
        return [score for found in stored for score in found.scores]

    def write_feedback(self, given: Sequence[Score], positions: Sequence[Position] = ()) -> list[Score]:
        """Store what people said; of two scores under one key the later stays, and what was said of a trace that
        was deleted is left out; and how far the topic was read. Returns what was not left out."""
        now = self.database.time(datetime.now(UTC))
        with self.database.write() as connection:
            ids = sorted({score.trace_id for score in given})
            lock = select(traces.c.trace_id).where(traces.c.trace_id.in_(ids)).order_by(traces.c.trace_id)
            connection.execute(lock.with_for_update())
            gone = buried_traces(self.database, connection, ids)
            kept = [score for score in given if score.trace_id not in gone]
            rows = [score_row(self.database, score, now, measured=False) for score in kept]
            self.database.many(connection, insert_sql(scores, LATER_SCORE), sorted(rows, key=lambda row: row[:5]))
            advance(self.database, connection, positions)
        return kept

    def restate(self, trace_ids: Sequence[str], sources: Sequence[Source]) -> list[TraceDecisions]:
        """What exactly these sources decided about these traces: to be emitted again after a crash."""
        if not sources:
            return []
        wanted = [(s.topic, s.partition, s.offset, s.epoch) for s in dict.fromkeys(sources)]
        found: dict[str, tuple[list[Score], list[JudgeRequest]]] = defaultdict(lambda: ([], []))
        with self.database.read() as connection:
            for ids in in_chunks(trace_ids):
                for table in (scores, requests):
                    columns = (
                        table.c.source_topic,
                        table.c.source_partition,
                        table.c.source_offset,
                        table.c.source_epoch,
                    )
                    query = select(table).where(table.c.trace_id.in_(ids), tuple_(*columns).in_(wanted))
                    for row in connection.execute(query).mappings():
                        of_trace = found[row["trace_id"]]
                        if table is scores:
                            of_trace[0].append(read_score(row))
                        else:
                            of_trace[1].append(JudgeRequest.model_validate(row["body"]))
        return [TraceDecisions(trace_id, *found[trace_id]) for trace_id in sorted(found)]

    def _write(
        self, decisions: Sequence[TraceDecisions], positions: Sequence[Position], *, answered: Sequence[DecisionKey]
    ) -> list[TraceDecisions]:
        ids = sorted({d.trace_id for d in decisions})
        with self.database.write() as connection:
            ledger = Ledger(self.database, connection, ids, decisions)
            decisions = _not_deleted(self.database, connection, decisions)
            ledger.stored.update(_standing(connection, ids))
            ledger.in_flight.update(_in_flight(connection, ids))
            kept = [ledger.enter(d) for d in decisions]
            ledger.write(connection, BETTER_SCORE)
            if answered:
                _forget(self.database, connection, answered)
            advance(self.database, connection, positions)
            own = _own(connection, ledger)
        return [own_of(d, own) for d in kept] if own else kept


def _not_deleted(
    database: Database, connection: Connection, decisions: Sequence[TraceDecisions]
) -> list[TraceDecisions]:
    """The decisions without those on traces and sessions that were deleted."""
    subjects = {Subject("trace", d.trace_id) for d in decisions}
    subjects.update(Subject("session", session_id) for session_id in session_ids(decisions))
    gone = buried(database, connection, subjects)
    if not gone:
        return list(decisions)

    def stays(one: Score | JudgeRequest) -> bool:
        return one.target != "session" or Subject("session", one.session_id or "") not in gone

    return [
        TraceDecisions(
            d.trace_id, [s for s in d.scores if stays(s)], [r for r in d.requests if stays(r)], d.passed_over
        )
        for d in decisions
        if Subject("trace", d.trace_id) not in gone
    ]


def own_of(decisions: TraceDecisions, own: dict[DecisionKey, Score]) -> TraceDecisions:
    """The decisions with what this source had stored before in the place of what it computed again."""
    return TraceDecisions(
        decisions.trace_id,
        [own.get(score.key, score) for score in decisions.scores],
        decisions.requests,
        decisions.passed_over,
    )


def _own(connection: Connection, ledger: Ledger) -> dict[DecisionKey, Score]:
    if not ledger.repeated:
        return {}
    ids = sorted({key.trace_id for key in ledger.repeated})
    rows = connection.execute(select(scores).where(scores.c.trace_id.in_(ids))).mappings()
    return {key: read_score(row) for row in rows if (key := read_key(row)) in ledger.repeated}


def _scores(connection: Connection, ids: list[str]) -> list[tuple[DecisionKey, Source | None]]:
    return [(key, source) for key, (_, source) in _standing(connection, ids).items()]


def _standing(connection: Connection, ids: list[str]) -> dict[DecisionKey, tuple[str, Source | None]]:
    """Status and source of each stored decision of these traces."""
    columns = [
        scores.c[name]
        for name in (
            *DecisionKey._fields,
            "status",
            "source_topic",
            "source_partition",
            "source_offset",
            "source_epoch",
        )
    ]
    rows = connection.execute(select(*columns).where(scores.c.trace_id.in_(ids))).mappings() if ids else ()
    return {read_key(row): (row["status"], read_source(row)) for row in rows}


def _in_flight(connection: Connection, ids: list[str]) -> list[tuple[DecisionKey, Source | None]]:
    if not ids:
        return []
    wanted, made = request_decisions.c, requests.c
    query = (
        select(
            *(wanted[name] for name in DecisionKey._fields),
            made.source_topic,
            made.source_partition,
            made.source_offset,
            made.source_epoch,
        )
        .join(requests, made.request_id == wanted.request_id)
        .where(wanted.trace_id.in_(ids))
    )
    return [(read_key(row), read_source(row)) for row in connection.execute(query).mappings()]


def _forget(database: Database, connection: Connection, keys: Iterable[DecisionKey]) -> None:
    """Take answered decisions out of flight, and requests of which none is left."""
    rows = sorted(set(keys))
    ids = sorted({key.trace_id for key in rows})
    database.many(connection, _ANSWERED, [tuple(row) for row in rows])
    left = select(request_decisions.c.request_id).where(request_decisions.c.request_id == requests.c.request_id)
    connection.execute(requests.delete().where(requests.c.trace_id.in_(ids), ~left.exists()))
