"""Records that kill the worker which works on them.

Until a commit has surely followed an assignment, every batch is put on record before work on it begins, as the range of its
offsets, and taken off when it is survived. A batch that overlaps a range in which a start has died is worked on record by
record, each on record by itself: the one that has seen too many starts is a dead letter with the reason ``poison``. Ranges,
not batches, are counted, so it does not matter how the log is cut into batches from one start to the next.

Only the death of the process counts: work that ends because a partition is taken away, or the worker is told to stop, is
taken off the record.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from schemas.errors import Fenced, InvalidRecord, Unavailable
from sinks.warehouse import Attempts
from streams.base.context import Abandoned, Context
from streams.base.dead_letters import DeadLetters
from streams.kafka.batch import Batch

CAREFUL_FROM_STARTS = 2
WATCH_S = 5.0
"""A commit follows an acknowledgement much sooner, so that a start which dies later is followed by one that begins about
where this one died."""

Work = Callable[[Batch], Coroutine[Any, Any, None]]
Result = TypeVar("Result")


@dataclass(slots=True)
class _Watch:
    """Of one partition: until when, and up to which offset whatever the time."""

    until: float
    through: int


class PoisonGuard:
    """Cuts batches so that a deadly record stands alone, and leaves it out when it has killed too often.

    Parameters
    ----------
    watch_s : how long to put batches on record after the first one: longer than the commit may lag behind.
    """

    def __init__(
        self, component: str, context: Context, dead_letters: DeadLetters, *, watch_s: float = WATCH_S
    ) -> None:
        self._component, self._context, self._dead_letters = component, context, dead_letters
        self._watch_s = watch_s
        self._generation = -1
        self._watches: dict[tuple[str, int], _Watch] = {}

    async def work_on(self, batch: Batch, epoch: int, work: Work) -> None:
        """Do `work` on the batch, whole or record by record."""
        if self._context.generation() != self._generation:
            self._generation = self._context.generation()
            self._watches.clear()
        if not self.is_watched(batch):
            await work(batch)
            return
        attempts, first, last = self._attempts(batch, epoch), batch.first_offset, batch.records[-1].offset
        starts, through = await self._stored(batch, lambda: attempts.begin(first, last))
        with_care = self._one_by_one(batch, epoch, work) if starts >= CAREFUL_FROM_STARTS else work(batch)
        await self._survived(batch, with_care, attempts, -1 - first)
        await self._stored(batch, lambda: attempts.end(first, last))
        watch = self._watches.setdefault(batch.place, _Watch(time.monotonic() + self._watch_s, through))
        watch.through = max(watch.through, through)

    def is_watched(self, batch: Batch) -> bool:
        """Whether a death in this batch is on record."""
        watch = self._watches.get(batch.place)
        return watch is None or time.monotonic() < watch.until or batch.first_offset <= watch.through

    async def _one_by_one(self, batch: Batch, epoch: int, work: Work) -> None:
        attempts = self._attempts(batch, epoch)
        for record in batch.records:
            offset = record.offset
            if await self._stored(batch, partial(attempts.begin_alone, offset)) > self._max_deaths:
                await self._bury(batch, epoch, record)
                continue
            await self._survived(batch, work(replace(batch, records=[record])), attempts, offset)
            await self._stored(batch, partial(attempts.end, offset, offset))

    async def _survived(self, batch: Batch, work: Coroutine[Any, Any, None], attempts: Attempts, key: int) -> None:
        """Wait for the work; if it ends without the process ending, the start does not count."""
        try:
            await work
        except (Abandoned, Fenced, asyncio.CancelledError):
            with suppress(Unavailable):
                await asyncio.to_thread(attempts.take_back, key)
            raise

    async def _stored(self, batch: Batch, call: Callable[[], Result]) -> Result:
        return await self._context.in_thread(batch, "counting starts", call)

    def _attempts(self, batch: Batch, epoch: int) -> Attempts:
        return self._context.warehouse.attempts(self._component, batch.topic, batch.partition, epoch)

    @property
    def _max_deaths(self) -> int:
        return self._context.settings.evaluate.max_deaths

    async def _bury(self, batch: Batch, epoch: int, record: object) -> None:
        deaths = self._max_deaths
        error = InvalidRecord("poison", f"{deaths} starts of {self._component} ended while they worked on this record")
        await self._dead_letters.bury(batch, [self._dead_letters.letter(record, batch.topic, epoch, error)])
