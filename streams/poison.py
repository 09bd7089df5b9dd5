"""Records that kill the worker which works on them.

The first batch after an assignment is put on record before work on it begins, and taken off when it is done. A worker
that finds several starts at the same position reads on record by record, each of them on record: the one that has seen
too many starts is a dead letter with the reason ``poison``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from schemas.errors import InvalidRecord
from streams.batch import Batch
from streams.context import Context
from streams.dead_letters import DeadLetters

CAREFUL_FROM_STARTS = 2


class PoisonGuard:
    """Cuts batches so that a deadly record stands alone, and leaves it out when it has killed too often."""

    def __init__(self, component: str, context: Context, dead_letters: DeadLetters) -> None:
        self._component, self._context, self._dead_letters = component, context, dead_letters
        self._generation = -1
        self._passed: set[tuple[str, int]] = set()

    async def parts(self, batch: Batch, epoch: int = 0) -> AsyncIterator[Batch]:
        """The batch, whole or record by record; each part is taken as survived when the next one is asked for."""
        if self._context.generation() != self._generation:
            self._generation = self._context.generation()
            self._passed.clear()
        if batch.place in self._passed:
            yield batch
            return
        starts = await self._begin(batch, epoch, _as_whole(batch))
        if starts < CAREFUL_FROM_STARTS:
            yield batch
        else:
            for record in batch.records:
                if await self._begin(batch, epoch, record.offset) > self._context.settings.evaluate.max_deaths:
                    await self._bury(batch, epoch, record)
                else:
                    yield replace(batch, records=[record])
                    await self._end(batch, record.offset)
        self._passed.add(batch.place)
        await self._end(batch, None)

    def has_passed(self, batch: Batch) -> bool:
        """Whether a batch of the partition was survived since the assignment."""
        return batch.place in self._passed

    async def _begin(self, batch: Batch, epoch: int, offset: int) -> int:
        warehouse = self._context.warehouse
        return await self._context.in_thread(
            batch,
            "beginning an attempt",
            lambda: warehouse.begin_attempt(self._component, batch.topic, batch.partition, epoch, offset),
        )

    async def _end(self, batch: Batch, offset: int | None) -> None:
        warehouse = self._context.warehouse
        await self._context.in_thread(
            batch,
            "ending an attempt",
            lambda: warehouse.end_attempts(self._component, batch.topic, batch.partition, offset),
        )

    async def _bury(self, batch: Batch, epoch: int, record: object) -> None:
        deaths = self._context.settings.evaluate.max_deaths
        error = InvalidRecord("poison", f"{deaths} starts of {self._component} ended while they worked on this record")
        await self._dead_letters.bury(batch, [self._dead_letters.letter(record, batch.topic, epoch, error)])


def _as_whole(batch: Batch) -> int:
    """A number for the batch that is no record's offset."""
    return -1 - batch.first_offset
