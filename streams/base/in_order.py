"""How a topic whose reader stores its position is worked on: batch by batch, in the order of the log."""

from __future__ import annotations

import structlog

from streams.base.context import Abandoned
from streams.base.log_guard import LogGuard
from streams.base.poison import PoisonGuard, Work
from streams.base.progress import Progress
from streams.kafka.batch import Batch

log = structlog.get_logger(__name__)


class InOrder:
    """The receiver of one topic.

    Parameters
    ----------
    work : does everything for a batch, or a part of one; when it returns, all that came of it is durable.
    """

    def __init__(self, progress: Progress, guard: LogGuard, poison: PoisonGuard, work: Work) -> None:
        self._progress, self._guard, self._poison, self._work = progress, guard, poison, work

    async def receive(self, batch: Batch) -> None:
        """Work on a batch, and acknowledge it."""
        self._progress.note(batch)
        try:
            if await self._guard.admits(batch):
                for part in self._guard.parts(batch):
                    await self._poison.work_on(part, self._guard.epoch(batch), self._work)
                batch.ack()
        except Abandoned:
            log.info("partition taken away", topic=batch.topic, partition=batch.partition)
