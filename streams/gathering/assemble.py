"""assemble: spans from `otlp_spans` become whole traces on `traces`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from evaluators.run import Suite
from schemas.errors import InvalidRecord, Unavailable
from schemas.otlp import TraceFragment, assemble, decode
from schemas.settings import AssembleSettings, Topics
from sinks.warehouse import Subject
from streams.base.context import Abandoned, Context
from streams.base.dead_letters import DeadLetters
from streams.base.poison import PoisonGuard
from streams.base.progress import Progress
from streams.gathering.gather import Group, Patience
from streams.gathering.gathering import Gathered, Gathering
from streams.gathering.shrink import fitted
from streams.kafka.batch import Batch
from streams.kafka.clock import log_time
from streams.kafka.otlp_records import prepare
from streams.kafka.producer import Outgoing

log = structlog.get_logger(__name__)

RECORD_OVERHEAD_BYTES = 1024

Decoded = tuple[Any, list[TraceFragment]]
"""A raw record and what it says."""


class Assemble:
    """The component `assemble`."""

    name = "assemble"

    def __init__(self, context: Context, progress: Progress) -> None:
        self._context, self._progress = context, progress
        self._dead_letters = DeadLetters(self.name, context)
        settings = context.settings.assemble
        self._poison = PoisonGuard(self.name, context, self._dead_letters, watch_s=settings.max_commit_lag_s)
        self._gathering = Gathering(
            context,
            progress,
            _patience(settings),
            self._compose,
            self._dead_letters,
            max_open_bytes=settings.max_open_mb * 2**20,
        )

    @property
    def receivers(self) -> Mapping[str, Any]:
        return {Topics.OTLP_SPANS: self.receive, Topics.OTLP_SPANS_BY_TRACE: self.receive}

    async def start(self) -> None:
        """Nothing to prepare."""

    async def receive(self, batch: Batch) -> None:
        """Take up the spans of a chunk and write out what is whole by now."""
        async with self._gathering.lock:
            self._progress.note(batch)
            try:
                decoded: list[Decoded] = []
                await self._poison.work_on(batch, 0, lambda part: self._read(part, decoded))
                astray = [record for record, fragments in decoded if _is_astray(batch, record, fragments)]
                await self._publish_again(batch, astray)
                await self._gathering.take_up(batch, _parts(decoded, {id(record) for record in astray}))
            except Abandoned:
                log.info("partition taken away", topic=batch.topic, partition=batch.partition)

    async def tick(self) -> None:
        """Write out what has become whole by the passing of time."""
        await self._gathering.tick()

    def state(self) -> dict[str, Any]:
        """For the heartbeat."""
        return {
            "open_traces": len(self._gathering),
            "open_bytes": self._gathering.size,
            "in_flight": len(self._gathering),
            "dead_letters": dict(self._dead_letters.counts),
        }

    def observe(self) -> None:
        """Open traces, and the bytes of their spans."""
        metrics = self._context.metrics
        metrics.buffered.labels("open_traces").set(len(self._gathering))
        metrics.buffered_bytes.labels("open_traces").set(self._gathering.size)

    async def reload(self, suite: Suite) -> None:
        """Nothing of what can be reloaded concerns it."""

    async def drain(self) -> None:
        """Nothing to finish: what is open is read again from the log."""

    async def close(self) -> None:
        """Nothing to flush either."""

    async def _read(self, batch: Batch, decoded: list[Decoded]) -> None:
        """Add the records of a batch, decoded."""
        found, letters = await asyncio.to_thread(self._decode, batch)
        await self._dead_letters.bury(batch, letters)
        decoded += await self._not_deleted(found)

    async def _not_deleted(self, decoded: list[Decoded]) -> list[Decoded]:
        """Without the traces that were deleted under their own id; of sessions and users evaluate has the last word, and
        while the warehouse is away of all of it."""
        subjects = {Subject("trace", one.trace_id) for _, fragments in decoded for one in fragments}
        try:
            gone = await asyncio.to_thread(self._context.warehouse.tombstoned, subjects)
        except Unavailable:
            return decoded
        if not gone:
            return decoded
        here = sum(Subject("trace", one.trace_id) in gone for _, fragments in decoded for one in fragments)
        self._context.drop("trace", "deleted", here)
        return [(record, [f for f in fs if Subject("trace", f.trace_id) not in gone]) for record, fs in decoded]

    def _decode(self, batch: Batch) -> tuple[list[Decoded], list[Any]]:
        decoded, letters = [], []
        for record in batch.records:
            try:
                decoded.append((record, decode(record.value or b"", self._context.hasher)))
            except Exception as error:  # whatever it is, one record must not stop the stream
                if not isinstance(error, InvalidRecord):
                    log.exception("decoding failed", offset=record.offset)
                letters.append(self._dead_letters.letter(record, batch.topic, 0, error))
        return decoded, letters

    async def _publish_again(self, batch: Batch, records: Sequence[Any]) -> None:
        """Split records by trace and write the pieces where all pieces of a trace meet."""
        if not records:
            return
        outgoing, letters = await asyncio.to_thread(self._split, batch, records)
        await self._dead_letters.bury(batch, letters)
        await self._context.patiently(batch, "splitting records", lambda: self._context.producer.publish(outgoing))

    def _split(self, batch: Batch, records: Sequence[Any]) -> tuple[list[Outgoing], list[Any]]:
        outgoing, letters = [], []
        for record in records:
            pieces, too_large = prepare(record.value, "auto", self._context.producer.max_record_bytes)
            when = int(log_time(record) * 1000)
            for trace_id, piece in pieces:
                outgoing.append(Outgoing(Topics.OTLP_SPANS_BY_TRACE, piece, trace_id.encode(), timestamp_ms=when))
            if too_large:
                error = InvalidRecord("too_large", f"spans that no record of ours can hold: {too_large}")
                letters.append(self._dead_letters.letter(record, batch.topic, 0, error))
        return outgoing, letters

    def _compose(self, group: Group[TraceFragment]) -> list[Outgoing]:
        trace = assemble(
            group.parts,
            default_project=self._context.settings.project,
            default_environment=self._context.settings.environment,
            incomplete=group.why in ("age", "size"),
            partial=group.why in ("memory", "lag"),
        )
        limit = self._context.producer.max_record_bytes - RECORD_OVERHEAD_BYTES
        pieces = fitted(self._context.redactor.trace(trace), limit)
        return [Outgoing(Topics.TRACES, piece, group.key.encode()) for piece in pieces]


def _is_astray(batch: Batch, record: Any, fragments: Sequence[TraceFragment]) -> bool:
    """Whether other records of the same trace may lie in other partitions."""
    if batch.topic == Topics.OTLP_SPANS_BY_TRACE or not fragments:
        return False
    return not (len(fragments) == 1 and (record.key or b"").decode("ascii", "replace") == fragments[0].trace_id)


def _parts(decoded: Sequence[Decoded], leave_out: set[int]) -> list[Gathered[TraceFragment]]:
    return [
        Gathered(fragment.trace_id, fragment, len(record.value), _has_root(fragment), log_time(record), record.offset)
        for record, fragments in decoded
        if id(record) not in leave_out
        for fragment in fragments
    ]


def _has_root(fragment: TraceFragment) -> bool:
    """Whether a root is among the spans; a span is sent when it has ended, so the root has too."""
    return any(span.parent_id is None or span.remote_parent for span in fragment.spans)


def _patience(settings: AssembleSettings) -> Patience:
    return Patience(
        ended_quiet_s=settings.quiet_s,
        quiet_s=settings.rootless_quiet_s,
        max_age_s=settings.max_age_s,
        max_lag_s=settings.max_commit_lag_s,
        max_parts=settings.max_spans,
    )
