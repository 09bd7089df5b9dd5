"""Sessions: the traces of one conversation are gathered until it rests, then evaluated together.

Two steps with a topic between them, as with spans and traces: what is gathered leaves in any order, and what is
evaluated has a position of its own, in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog

from drift.segments import dimension_names, dimensions
from evaluators.run import Suite
from schemas.dead_letter import DeadLetter
from schemas.session import SessionClosed, SessionMember
from schemas.settings import SessionSettings, Topics
from schemas.source import Source
from schemas.trace import Trace
from sinks.warehouse import Subject, TraceDecisions
from streams.base.context import Abandoned, Context
from streams.base.crash_points import passing
from streams.base.dead_letters import DeadLetters
from streams.base.emission import measurement_records, positioned, request_records, score_records
from streams.base.in_order import InOrder
from streams.base.log_guard import LogGuard
from streams.base.overload import Overload
from streams.base.poison import PoisonGuard
from streams.base.progress import Progress
from streams.gathering.gather import Group, Patience
from streams.gathering.gathering import Gathered, Gathering
from streams.kafka.batch import Batch
from streams.kafka.clock import event_time, log_time, record_time
from streams.kafka.producer import Outgoing
from streams.telemetry.tally import count_decisions, count_passed_over

log = structlog.get_logger(__name__)

MAX_OPEN_BYTES = 64 * 2**20
MAX_MEMBERS = 10_000


def member_record(trace: Trace, written: datetime) -> Outgoing:
    """Says that `trace` belongs to its session."""
    member = SessionMember(
        session_id=trace.session_id or "",
        trace_id=trace.trace_id,
        fingerprint=trace.fingerprint,
        project=trace.project,
        environment=trace.environment,
        event_time=event_time(trace.end, written),
    )
    return Outgoing(Topics.SESSION_TRACES, member.to_bytes(), member.session_id.encode())


class SessionGathering:
    """Gathers `session_traces` by session and writes `sessions`."""

    def __init__(self, context: Context, progress: Progress, dead_letters: DeadLetters) -> None:
        self._progress, self._dead_letters = progress, dead_letters
        self._poison = PoisonGuard("evaluate", context, dead_letters, watch_s=context.settings.sessions.max_age_s)
        self._gathering = Gathering(
            context,
            progress,
            _patience(context.settings.sessions),
            _compose,
            dead_letters,
            max_open_bytes=MAX_OPEN_BYTES,
        )

    async def receive(self, batch: Batch) -> None:
        """Take up the members in a chunk."""
        async with self._gathering.lock:
            self._progress.note(batch)
            try:
                members: list[Gathered[SessionMember]] = []
                await self._poison.work_on(batch, 0, lambda part: self._read(part, members))
                await self._gathering.take_up(batch, members)
            except Abandoned:
                log.info("partition taken away", topic=batch.topic, partition=batch.partition)

    async def tick(self) -> None:
        """Write out the sessions that rest."""
        await self._gathering.tick()

    def __len__(self) -> int:
        return len(self._gathering)

    async def _read(self, batch: Batch, members: list[Gathered[SessionMember]]) -> None:
        """Add the members in a batch."""
        letters = []
        for record in batch.records:
            try:
                member = SessionMember.from_bytes(record.value or b"")
            except Exception as error:  # whatever it is, one record must not stop the stream
                letters.append(self._dead_letters.letter(record, batch.topic, 0, error))
            else:
                size = len(record.value)
                members.append(Gathered(member.session_id, member, size, False, log_time(record), record.offset))
        await self._dead_letters.bury(batch, letters)
        passing("sessions.read", about=[member.part.trace_id for member in members])


class SessionEvaluation:
    """Evaluates `sessions`, with the same steps as traces."""

    def __init__(
        self,
        context: Context,
        progress: Progress,
        suite: Suite,
        guard: LogGuard,
        dead_letters: DeadLetters,
        overload: Overload,
    ) -> None:
        self._context, self._suite, self._guard = context, suite, guard
        self._overload = overload
        self._dead_letters = dead_letters
        self._closed = InOrder(progress, guard, PoisonGuard("evaluate", context, dead_letters), self._work)

    def use(self, suite: Suite, overload: Overload) -> None:
        """Evaluate by these from now on."""
        self._suite, self._overload = suite, overload

    async def receive(self, batch: Batch) -> None:
        """Evaluate the sessions of a chunk, each in turn."""
        await self._closed.receive(batch)

    async def _work(self, batch: Batch) -> None:
        self._overload.note(batch.place, batch.records[0])
        letters: list[DeadLetter] = []
        outgoing: list[Outgoing] = []
        for record in batch.records:
            try:
                closed = SessionClosed.from_bytes(record.value or b"")
            except Exception as error:  # whatever it is, one record must not stop the stream
                letters.append(self._dead_letters.letter(record, batch.topic, self._guard.epoch(batch), error))
            else:
                outgoing += await self._evaluate(batch, record, closed)
        await self._dead_letters.bury(batch, letters)
        position, warehouse = self._guard.position(batch, batch.records[-1]), self._context.warehouse
        await self._context.in_thread(batch, "storing positions", lambda: warehouse.write_positions([position]))
        await self._context.patiently(batch, "publishing", lambda: self._context.producer.publish(outgoing))

    async def _evaluate(self, batch: Batch, record: Any, closed: SessionClosed) -> Sequence[Outgoing]:
        context, warehouse = self._context, self._context.warehouse
        session = await context.in_thread(batch, "storing a session", lambda: warehouse.store_session(closed))
        if session is None or not session.traces:
            subject = Subject("session", closed.session_id)
            gone = await context.in_thread(batch, "tombstones", lambda: warehouse.tombstoned([subject]))
            context.drop("session", "deleted", len(gone))
            return []
        newest = session.traces[-1]
        source = Source(
            topic=batch.topic, partition=batch.partition, offset=record.offset, epoch=self._guard.epoch(batch)
        )
        known = (await context.in_thread(batch, "decisions", lambda: warehouse.known_decisions([newest.trace_id])))[
            newest.trace_id
        ]
        dims = dimensions(newest, dimension_names(context.settings.monitor))
        written = record_time(record)
        decided = await asyncio.to_thread(
            self._suite.decide_session,
            session,
            known.keys,
            source=source,
            event_time=event_time(newest.end, written),
            now=written,
            dimensions=dims,
            shares=self._overload.shares,
        )
        made = TraceDecisions(newest.trace_id, decided.scores, decided.requests, decided.passed_over)
        position = self._guard.position(batch, record)
        kept = await context.in_thread(batch, "storing", lambda: warehouse.write_decisions([made], [position]))
        names = self._suite.current_versions()
        count_decisions(context.metrics, (score for k in kept for score in k.scores), names)
        count_passed_over(context.metrics, (k.passed_over for k in kept), names)
        if source in known.sources.values():
            kept += await context.in_thread(batch, "restating", lambda: warehouse.restate([newest.trace_id], [source]))
        fresh = () if self._guard.was_measured(batch.place, record.offset) else kept
        items = [item for k in fresh for item in positioned(record.offset, k.scores, dims, context.settings.monitor)]
        return [
            *[
                out
                for k in kept
                for out in (*score_records(k.scores), *request_records(k.requests, context.producer.max_record_bytes))
            ],
            *measurement_records(
                items,
                topic=batch.topic,
                partition=batch.partition,
                epoch=source.epoch,
                partition_count=context.partitions[Topics.MEASUREMENTS],
            ),
        ]


def _compose(group: Group[SessionMember]) -> list[Outgoing]:
    newest = {member.trace_id: member for member in group.parts}
    closed = SessionClosed(session_id=group.key, members=tuple(newest[key] for key in sorted(newest)))
    return [Outgoing(Topics.SESSIONS, closed.to_bytes(), group.key.encode())]


def _patience(settings: SessionSettings) -> Patience:
    return Patience(
        ended_quiet_s=settings.quiet_s,
        quiet_s=settings.quiet_s,
        max_age_s=settings.max_age_s,
        max_lag_s=settings.max_age_s,
        max_parts=MAX_MEMBERS,
    )
