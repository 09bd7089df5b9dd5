"""evaluate: traces are stored, every decision that is missing is made, and what came of it is sent on.

For each batch: read and redact → store the spans (one transaction) → decide what the warehouse lacks → store the
decisions with the position of the record that made them (one transaction) → publish → acknowledge. A record that comes
again after a crash finds decisions with its own position and publishes them again; decisions of other records are left
alone. So a trace that is published twice changes nothing, and a crash at any point loses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from drift.segments import dimension_names, dimensions
from evaluators.run import Suite
from schemas.errors import InvalidRecord
from schemas.measurement import Positioned
from schemas.native import read_trace
from schemas.profile import Feature
from schemas.settings import Topics
from schemas.source import Source
from schemas.trace import Trace
from sinks.warehouse import Known, Stored, TraceDecisions
from streams.base.context import Context
from streams.base.crash_points import passing
from streams.base.dead_letters import DeadLetters
from streams.base.emission import measurement_records, positioned, request_records, score_records, shown
from streams.base.in_order import InOrder
from streams.base.log_guard import LogGuard
from streams.base.overload import Overload
from streams.base.poison import PoisonGuard
from streams.base.progress import Progress
from streams.evaluating.feedback import Feedback
from streams.evaluating.known_profiles import KnownProfiles
from streams.evaluating.sessions import SessionEvaluation, SessionGathering, member_record
from streams.gathering.shrink import fitted
from streams.kafka.batch import Batch
from streams.kafka.clock import event_time, record_time
from streams.kafka.otlp_records import RECORD_OVERHEAD_BYTES
from streams.kafka.producer import Outgoing
from streams.telemetry.tally import count_decisions, count_passed_over

log = structlog.get_logger(__name__)

SWEEP_EVERY_S = 30.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """A trace as it was read from a record."""

    trace: Trace
    source: Source
    written: datetime


class Evaluate:
    """The component `evaluate`."""

    name = "evaluate"

    def __init__(self, context: Context, progress: Progress, suite: Suite, guard: LogGuard) -> None:
        self._context, self._progress, self._suite, self._guard = context, progress, suite, guard
        self._dead_letters = DeadLetters(self.name, context)
        self._traces = InOrder(progress, guard, PoisonGuard(self.name, context, self._dead_letters), self._work)
        self._overload = self._new_overload()
        self._gathering = SessionGathering(context, progress, self._dead_letters)
        self._sessions = SessionEvaluation(context, progress, suite, guard, self._dead_letters, self._overload)
        self._feedback = Feedback(context, progress, guard, self._dead_letters)
        self._profiles = KnownProfiles(context, suite)
        self._swept = 0.0

    @property
    def receivers(self) -> Mapping[str, Any]:
        return {
            Topics.TRACES: self._traces.receive,
            Topics.SESSION_TRACES: self._gathering.receive,
            Topics.SESSIONS: self._sessions.receive,
            Topics.FEEDBACK: self._feedback.receive,
        }

    async def start(self) -> None:
        """Tell the warehouse which version of each evaluator is current."""
        warehouse, versions = self._context.warehouse, self._suite.current_versions()
        await self._context.in_thread(None, "evaluator versions", lambda: warehouse.remember_evaluators(versions))
        await self._profiles.start()

    async def tick(self) -> None:
        """Let sessions come to their end, read new profiles, and sweep traces that stayed partial."""
        self._overload.tick()
        await self._gathering.tick()
        await self._profiles.tick()
        now = asyncio.get_running_loop().time()
        if now - self._swept > SWEEP_EVERY_S:
            self._swept = now
            await self._sweep()

    def state(self) -> dict[str, Any]:
        """For the heartbeat."""
        return {
            "open_sessions": len(self._gathering),
            "profiles": len(self._profiles.known),
            "dead_letters": dict(self._dead_letters.counts),
        }

    def observe(self) -> None:
        """Open sessions."""
        self._context.metrics.buffered.labels("open_sessions").set(len(self._gathering))

    async def reload(self, suite: Suite) -> None:
        """Evaluate by other evaluators from now on."""
        self._suite, self._overload = suite, self._new_overload()
        self._sessions.use(suite, self._overload)
        self._profiles = KnownProfiles(self._context, suite)
        await self.start()

    async def drain(self) -> None:
        """Nothing goes on beside the batch in hand."""

    async def close(self) -> None:
        """End the processes of users' callables."""
        await asyncio.to_thread(self._suite.close)

    def _new_overload(self) -> Overload:
        return Overload(
            self._context.settings.overload,
            [evaluator.name for evaluator in self._suite.evaluators],
            self._context.metrics,
            at_rest=self._progress.at_rest,
            waiting=self._progress.total_behind,
        )

    async def _work(self, batch: Batch) -> None:
        context, warehouse = self._context, self._context.warehouse
        self._overload.note(batch.place, batch.records[0])
        arrivals, letters = await asyncio.to_thread(self._read, batch)
        await self._dead_letters.bury(batch, letters)
        position = self._guard.position(batch, batch.records[-1])
        if not arrivals:
            await context.in_thread(batch, "storing positions", lambda: warehouse.write_positions([position]))
            return
        traces = [arrival.trace for arrival in arrivals]
        stored = await context.in_thread(batch, "storing traces", lambda: warehouse.store_traces(traces))
        passing("evaluate.stored", about=stored)
        arrivals = self._not_deleted(arrivals, stored)
        known = await context.in_thread(batch, "reading decisions", lambda: warehouse.known_decisions(list(stored)))
        decided = await asyncio.to_thread(self._decide, arrivals, stored, known)
        written = await context.in_thread(
            batch, "storing decisions", lambda: warehouse.write_decisions(decided, [position])
        )
        passing("evaluate.decided")
        self._count(written)
        again = await self._made_before(batch, arrivals, known)
        outgoing = self._outgoing(batch, arrivals, stored, [*written, *again])
        await context.patiently(batch, "publishing decisions", lambda: context.producer.publish(outgoing))
        passing("evaluate.published")

    def _count(self, written: Sequence[TraceDecisions]) -> None:
        metrics, names = self._context.metrics, self._suite.current_versions()
        count_decisions(metrics, (score for made in written for score in made.scores), names)
        count_passed_over(metrics, (made.passed_over for made in written), names)

    def _read(self, batch: Batch) -> tuple[list[Arrival], list[Any]]:
        arrivals, letters, epoch = [], [], self._guard.epoch(batch)
        settings = self._context.settings
        for record in batch.records:
            try:
                trace = read_trace(
                    record.value or b"",
                    self._context.hasher,
                    default_project=settings.project,
                    default_environment=settings.environment,
                )
                trace = self._context.redactor.trace(trace)
            except Exception as error:  # whatever it is, one record must not stop the stream
                if not isinstance(error, InvalidRecord):
                    log.exception("reading a trace failed", offset=record.offset)
                letters.append(self._dead_letters.letter(record, batch.topic, epoch, error))
            else:
                source = Source(topic=batch.topic, partition=batch.partition, offset=record.offset, epoch=epoch)
                arrivals.append(Arrival(trace, source, record_time(record)))
        return arrivals, letters

    def _not_deleted(self, arrivals: Sequence[Arrival], stored: Mapping[str, Stored]) -> list[Arrival]:
        """Those that the warehouse took: it takes nothing of what a person had deleted."""
        kept = [arrival for arrival in arrivals if arrival.trace.trace_id in stored]
        self._context.drop("trace", "deleted", len(arrivals) - len(kept))
        return kept

    def _decide(
        self, arrivals: Sequence[Arrival], stored: Mapping[str, Stored], known: Mapping[str, Known]
    ) -> list[TraceDecisions]:
        """What is missing for each trace, made by the last record of it in the batch."""
        newest = {arrival.trace.trace_id: arrival for arrival in arrivals}
        found = []
        for trace_id, arrival in newest.items():
            trace = stored[trace_id].trace
            decided = self._suite.decide(
                trace,
                known[trace_id].keys,
                source=arrival.source,
                event_time=event_time(trace.end, arrival.written),
                now=arrival.written,
                dimensions=self._dimensions(trace),
                shares=self._overload.shares,
                profiles=self._profiles.known,
            )
            found.append(TraceDecisions(trace_id, decided.scores, decided.requests, decided.passed_over))
        return found

    async def _made_before(
        self, batch: Batch, arrivals: Sequence[Arrival], known: Mapping[str, Known]
    ) -> list[TraceDecisions]:
        """Decisions that stand under the position of one of these records: made before a crash, to be sent again."""
        sources = {arrival.source for arrival in arrivals}
        mine = {trace_id: sources.intersection(found.sources.values()) for trace_id, found in known.items()}
        trace_ids = [trace_id for trace_id, found in mine.items() if found]
        if not trace_ids:
            return []
        wanted = sorted(set().union(*mine.values()), key=lambda source: source.offset)
        warehouse = self._context.warehouse
        return await self._context.in_thread(batch, "restating", lambda: warehouse.restate(trace_ids, wanted))

    def _outgoing(
        self,
        batch: Batch,
        arrivals: Sequence[Arrival],
        stored: Mapping[str, Stored],
        decisions: Sequence[TraceDecisions],
    ) -> list[Outgoing]:
        items: list[Positioned] = []
        features: list[Feature] = []
        outgoing: list[Outgoing] = []
        for made in decisions:
            dims = self._dimensions(stored[made.trace_id].trace)
            by_offset: dict[int, list[Any]] = {}
            for score in made.scores:
                by_offset.setdefault(score.source.offset if score.source else 0, []).append(score)
            for offset, scores in by_offset.items():
                items += positioned(offset, scores, dims, self._context.settings.monitor)
            features += shown(self._suite, stored[made.trace_id].trace, made.scores)
            outgoing += score_records(made.scores)
            outgoing += request_records(made.requests, self._context.producer.max_record_bytes)
        if not self._guard.was_measured(batch.place, batch.first_offset):
            outgoing += measurement_records(
                items,
                features,
                topic=batch.topic,
                partition=batch.partition,
                epoch=self._guard.epoch(batch),
                partition_count=self._context.partitions[Topics.MEASUREMENTS],
            )
        written = {arrival.trace.trace_id: arrival.written for arrival in arrivals}
        outgoing += [
            member_record(stored[tid].trace, when) for tid, when in written.items() if stored[tid].trace.session_id
        ]
        return outgoing

    def _dimensions(self, trace: Trace) -> Any:
        return dimensions(trace, dimension_names(self._context.settings.monitor))

    async def _sweep(self) -> None:
        """Publish traces again that stayed partial for too long: what is known of them is to be scored."""
        context, warehouse = self._context, self._context.warehouse
        age = context.settings.assemble.max_age_s
        stale = await context.in_thread(None, "sweeping", lambda: warehouse.partial_older_than(age))
        if not stale:
            return
        found = await context.in_thread(None, "sweeping", lambda: warehouse.traces(stale))
        outgoing = await asyncio.to_thread(self._as_published, list(found.values()))
        await context.patiently(None, "sweeping", lambda: context.producer.publish(outgoing))

    def _as_published(self, traces: Sequence[Trace]) -> list[Outgoing]:
        outgoing = []
        limit = self._context.producer.max_record_bytes - RECORD_OVERHEAD_BYTES
        for trace in traces:
            final = {"partial": False, "incomplete": True, "revision": 0, "fingerprint": ""}
            try:
                pieces = fitted(trace.model_copy(update=final), limit)
            except InvalidRecord as error:
                log.error("a trace stays partial", trace_id=trace.trace_id, reason=str(error))
            else:
                outgoing += [Outgoing(Topics.TRACES, piece, trace.trace_id.encode()) for piece in pieces]
        return outgoing
