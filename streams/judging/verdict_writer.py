"""Storing verdicts as they arrive: those that come within a moment of each other share a transaction."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import chain

import structlog

from schemas.score import Score
from schemas.source import Source
from sinks.warehouse import Position
from streams.base.context import Abandoned, Context
from streams.kafka.batch import Batch

log = structlog.get_logger(__name__)

MOST_REQUESTS = 256


@dataclass(slots=True)
class _Waiting:
    batch: Batch
    scores: list[Score]
    source: Source | None
    position: Position | None
    done: asyncio.Future[list[Score]]


class VerdictWriter:
    """One writer for all running requests."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Requests whose verdicts wait to be stored."""
        return self._queue.qsize()

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop writing; what waits is not stored, and its requests are read again."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def write(self, batch: Batch, scores: list[Score], source: Source) -> list[Score]:
        """Store the scores of one request; those of them that this source made, as they stand now.

        Raises
        ------
        Abandoned : the partition was taken away while the warehouse was away.
        """
        return await self._put(batch, scores, source, None)

    async def advance(self, batch: Batch, position: Position) -> None:
        """Store that everything before `position` is done.

        Raises
        ------
        Abandoned : as `write`.
        """
        await self._put(batch, [], None, position)

    async def _put(
        self, batch: Batch, scores: list[Score], source: Source | None, position: Position | None
    ) -> list[Score]:
        waiting = _Waiting(batch, scores, source, position, asyncio.get_running_loop().create_future())
        await self._queue.put(waiting)
        return await waiting.done

    async def _run(self) -> None:
        while True:
            waiting = [await self._queue.get()]
            while not self._queue.empty() and len(waiting) < MOST_REQUESTS:
                waiting.append(self._queue.get_nowait())
            try:
                await self._store(waiting)
            except Exception as error:  # a bug of ours: those who wait must hear of it
                if not isinstance(error, Abandoned):
                    log.exception("storing verdicts failed")
                for one in waiting:
                    if not one.done.done():
                        one.done.set_exception(error)

    async def _store(self, waiting: list[_Waiting]) -> None:
        scores = list(chain.from_iterable(one.scores for one in waiting))
        positions = [one.position for one in waiting if one.position is not None]
        warehouse = self._context.warehouse
        written = await self._context.in_thread(
            waiting[-1].batch, "storing verdicts", lambda: warehouse.write_verdicts(scores, positions)
        )
        by_source: dict[Source | None, list[Score]] = {}
        for score in written:
            by_source.setdefault(score.source, []).append(score)
        for one in waiting:
            if not one.done.done():
                one.done.set_result(by_source.get(one.source, []))
