"""Whether a log is still the one that was read before.

The warehouse holds, in the same transactions as the results, the next offset of each partition. On the first batch
after an assignment the two are compared:

- the log is shorter than the stored offset: the topic was deleted and made again; a new epoch begins;
- the commit is ahead of the stored offset (the warehouse was restored from a copy): read again from the stored one;
- retention has deleted what was not yet read: a `gap` is recorded.
"""

from __future__ import annotations

from typing import Any

import structlog
from faust.types import TP

from sinks.warehouse import Position
from streams.batch import Batch
from streams.context import Context

log = structlog.get_logger(__name__)

Place = tuple[str, int]


class LogGuard:
    """Epochs and expected offsets of the partitions of one component."""

    def __init__(self, component: str, context: Context) -> None:
        self._component, self._context = component, context
        self._app: Any = None
        self._generation = -1
        self._epochs: dict[Place, int] = {}
        self._waiting: dict[Place, int] = {}

    def attach(self, app: Any) -> None:
        """Take the Faust application whose consumer is moved."""
        self._app = app

    def position(self, batch: Batch, next_offset: int) -> Position:
        """What to store with the results of `batch`."""
        return Position(self._component, batch.topic, batch.partition, self._epochs.get(batch.place, 0), next_offset)

    def epoch(self, batch: Batch) -> int:
        """The epoch of the batch's partition."""
        return self._epochs.get(batch.place, 0)

    async def admits(self, batch: Batch) -> bool:
        """Whether to work on the batch; False for one that will come again after a seek."""
        if self._context.generation() != self._generation:
            self._generation = self._context.generation()
            self._epochs.clear()
            self._waiting.clear()
        if batch.place in self._waiting:
            if batch.seeks < self._waiting[batch.place]:
                return False  # fetched before the seek
            del self._waiting[batch.place]
        if batch.place in self._epochs:
            return True
        return await self._first(batch)

    async def _first(self, batch: Batch) -> bool:
        warehouse = self._context.warehouse
        stored = (await self._context.in_thread(batch, "positions", lambda: warehouse.positions(self._component))).get(
            batch.place
        )
        self._epochs[batch.place] = stored.epoch if stored else 0
        if stored is None or batch.first_offset == stored.next_offset:
            return True
        if batch.first_offset < stored.next_offset:
            if batch.end < stored.next_offset:
                await self._new_epoch(batch, stored)
            return True
        return await self._behind(batch, stored)

    async def _behind(self, batch: Batch, stored: Position) -> bool:
        """The batch begins after the stored offset: records are gone, the commit is ahead, or these were no records."""
        consumer = self._app.consumer
        tp = TP(self._context.settings.kafka.topic_prefix + batch.topic, batch.partition)
        earliest = (await consumer.earliest_offsets(tp)).get(tp, 0)
        if earliest > stored.next_offset:
            await self._gap(batch, stored, earliest)
            return True
        if (consumer.committed_now(tp) or 0) <= stored.next_offset:
            return True
        log.error("the commit is ahead of the warehouse: reading again", place=batch.place, offset=stored.next_offset)
        await consumer.seek(tp, stored.next_offset)
        self._waiting[batch.place] = consumer.seeks[tp]
        return False

    async def _new_epoch(self, batch: Batch, stored: Position) -> None:
        warehouse = self._context.warehouse
        log.error(
            "the log is shorter than what was read: a new epoch begins", place=batch.place, read=stored.next_offset
        )
        self._epochs[batch.place] = await self._context.in_thread(
            batch, "raising the epoch", lambda: warehouse.raise_epoch(self._component, batch.topic, batch.partition)
        )

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
