"""Whether a log is still the one that was read before.

The warehouse holds, in the same transactions as the results, the next offset of each partition and the digest of the record
before it. After an assignment they are compared with the log, on the first batch or, where none comes, when the partition is
at rest:

- the log is shorter than the stored offset, or holds another record before it: the topic was deleted and made again; a new
  epoch begins, and the log is read from its beginning;
- the commit is ahead of the stored offset, or there is a commit and nothing stored (the warehouse was restored from a copy,
  or is a new one): read again from the stored offset, or from the beginning. What is below the commit was measured before, and
  the monitor, put back as well, reads those measurements again; so they are not sent a second time, for a decision made anew
  may stand under another record of its trace, where a repetition is not known as one;
- retention has deleted what was not yet read: a `gap` is recorded.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import structlog
from faust.types import TP

from schemas.settings import Topics
from sinks.warehouse import Position
from streams.base.context import Context
from streams.base.progress import Progress
from streams.kafka.batch import AtRest, Batch
from streams.kafka.inflation import refusal
from streams.kafka.log_range import record_at

log = structlog.get_logger(__name__)

Place = tuple[str, int]

GUARDED = frozenset({Topics.TRACES, Topics.SESSIONS, Topics.FEEDBACK, Topics.JUDGE_REQUESTS, Topics.MEASUREMENTS})
"""Topics whose reader stores its position in the warehouse."""


class LogGuard:
    """Epochs and expected offsets of the partitions of one component."""

    def __init__(self, component: str, context: Context) -> None:
        self._component, self._context = component, context
        self._app: Any = None
        self._lock = asyncio.Lock()
        self._generation = -1
        self._epochs: dict[Place, int] = {}
        self._waiting: dict[Place, int] = {}
        self._seen: dict[Place, tuple[int, int]] = {}
        self._measured_below: dict[Place, int] = {}

    def attach(self, app: Any) -> None:
        """Take the Faust application whose consumer is moved."""
        self._app = app

    def position(self, batch: Batch, last: Any, epoch: int | None = None) -> Position:
        """What to store with the results of `batch` up to the record `last`, of the epoch in which it was read."""
        epoch = self._epochs.get(batch.place, 0) if epoch is None else epoch
        return Position(self._component, batch.topic, batch.partition, epoch, last.offset + 1, record_digest(last))

    def epoch(self, batch: Batch) -> int:
        """The epoch of the batch's partition."""
        return self._epochs.get(batch.place, 0)

    def was_measured(self, place: Place, offset: int) -> bool:
        """Whether what came of this record was measured before the warehouse was put back to an older copy."""
        return offset < self._measured_below.get(place, 0)

    def parts(self, batch: Batch) -> list[Batch]:
        """The batch, cut so that no part has records on both sides of `was_measured`."""
        before = [record for record in batch.records if self.was_measured(batch.place, record.offset)]
        after = batch.records[len(before) :]
        return [replace(batch, records=records) for records in (before, after) if records] if before else [batch]

    async def admits(self, batch: Batch) -> bool:
        """Whether to work on the batch; False for one that will come again after a seek."""
        async with self._lock:
            self._refresh()
            if batch.place in self._waiting:
                if batch.seeks < self._waiting[batch.place]:
                    return False  # fetched before the seek
                del self._waiting[batch.place]
            if batch.place in self._epochs and not self._jumps_back(batch):
                return True
            return await self._first(batch)

    async def look(self, progress: Progress) -> None:
        """Compare the partitions at rest of which no batch has come yet."""
        async with self._lock:
            self._refresh()
            for tp in sorted(progress.assigned()):
                place = tp.topic.removeprefix(self._context.settings.kafka.topic_prefix), tp.partition
                if place[0] in GUARDED and place not in self._epochs and progress.lag(tp) == 0:
                    await self._first(self._at_rest(place, tp))

    def has_compared(self, progress: Progress) -> bool:
        """Whether every partition was compared with its log."""
        prefix = self._context.settings.kafka.topic_prefix
        places = ((tp.topic.removeprefix(prefix), tp.partition) for tp in progress.assigned())
        return self._generation == self._context.generation() and all(
            place in self._epochs for place in places if place[0] in GUARDED
        )

    def _refresh(self) -> None:
        if self._context.generation() != self._generation:
            self._generation = self._context.generation()
            self._epochs.clear()
            self._waiting.clear()
            self._seen.clear()
            self._measured_below.clear()

    def _at_rest(self, place: Place, tp: TP) -> AtRest:
        consumer = self._app.consumer
        end, position = consumer.highwater(tp) or 0, consumer.position_now(tp) or 0
        return AtRest(*place, self._generation, end, (), None, consumer.seeks[tp], position=position)

    def _jumps_back(self, batch: Batch) -> bool:
        """Whether records come again that nobody asked for: the topic was made again under a worker that holds it."""
        seeks, after = self._seen.get(batch.place, (batch.seeks, 0))
        self._seen[batch.place] = (batch.seeks, batch.next_offset)
        return seeks == batch.seeks and batch.first_offset < after

    async def _first(self, batch: Batch) -> bool:
        warehouse = self._context.warehouse
        stored = (await self._context.in_thread(batch, "positions", lambda: warehouse.positions(self._component))).get(
            batch.place
        )
        if stored is not None and await self._is_another_log(batch, stored):
            return await self._new_epoch(batch, stored)
        self._epochs[batch.place] = stored.epoch if stored else 0
        committed = self._app.consumer.committed_now(self._tp(batch)) or 0
        if committed > (stored.next_offset if stored else 0):
            self._measured_below[batch.place] = committed
        if stored is None:
            return committed == 0 or await self._unknown(batch)
        return batch.first_offset <= stored.next_offset or await self._behind(batch, stored, committed)

    async def _is_another_log(self, batch: Batch, stored: Position) -> bool:
        if max(batch.end, batch.next_offset) < stored.next_offset:
            return True
        if stored.digest is None:
            return False
        found = await self._context.patiently(
            batch,
            "looking for the last record read",
            lambda: record_at(self._context.settings.kafka, batch.topic, batch.partition, stored.next_offset - 1),
        )
        digest = record_digest(found) if found is not None else None
        return digest is not None and digest != stored.digest

    async def _unknown(self, batch: Batch) -> bool:
        """There is a commit, and nothing is stored of this partition."""
        earliest = await self._earliest(self._tp(batch))
        if batch.first_offset <= earliest:
            return True
        log.error("the warehouse knows nothing of what was read: reading again", place=batch.place, offset=earliest)
        return await self._seek(batch, earliest)

    async def _behind(self, batch: Batch, stored: Position, committed: int) -> bool:
        """The batch begins after the stored offset: records are gone, the commit is ahead, or these were no records."""
        earliest = await self._earliest(self._tp(batch))
        if earliest > stored.next_offset:
            await self._gap(batch, stored, earliest)
            return True
        if committed <= stored.next_offset:
            return True
        log.error("the commit is ahead of the warehouse: reading again", place=batch.place, offset=stored.next_offset)
        return await self._seek(batch, stored.next_offset)

    async def _new_epoch(self, batch: Batch, stored: Position) -> bool:
        warehouse, tp = self._context.warehouse, self._tp(batch)
        log.error(
            "the log is not the one that was read: a new epoch begins", place=batch.place, read=stored.next_offset
        )
        earliest = await self._earliest(tp)
        if not await self._app.consumer.put_back(tp, earliest):
            return False  # the partition moves: whoever has it next finds the same
        self._epochs[batch.place] = await self._context.in_thread(
            batch, "raising the epoch", lambda: warehouse.raise_epoch(self._component, batch.topic, batch.partition)
        )
        return batch.first_offset <= earliest or await self._seek(batch, earliest)

    async def _seek(self, batch: Batch, offset: int) -> bool:
        """Read again from `offset`: the batch is not admitted."""
        tp = self._tp(batch)
        await self._app.consumer.seek(tp, offset)
        self._waiting[batch.place] = self._app.consumer.seeks[tp]
        return False

    async def _earliest(self, tp: TP) -> int:
        return int((await self._app.consumer.earliest_offsets(tp)).get(tp, 0))

    def _tp(self, batch: Batch) -> TP:
        return TP(self._context.settings.kafka.topic_prefix + batch.topic, batch.partition)

    async def _gap(self, batch: Batch, stored: Position, earliest: int) -> None:
        warehouse = self._context.warehouse
        log.error(
            "retention overtook us: records are lost", place=batch.place, first=stored.next_offset, last=earliest - 1
        )
        await self._context.in_thread(
            batch,
            "recording a gap",
            lambda: warehouse.write_gap(
                self._component, batch.topic, batch.partition, stored.epoch, stored.next_offset, earliest
            ),
        )


def record_digest(record: Any) -> str | None:
    """What tells a record from another at the same offset; None for one that stands for a batch that was not let in."""
    if refusal(record):
        return None
    parts = (record.key or b"", record.value or b"", str(record.timestamp).encode())
    return blake2b(b"".join(len(part).to_bytes(8, "big") + part for part in parts), digest_size=12).hexdigest()
