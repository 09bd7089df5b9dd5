"""Gathering agents: parts come in on one topic, wholes go out on another.

The log is the state: a chunk of records is acknowledged when every group it holds a part of was written out and
acknowledged there. Nothing is stored elsewhere, and what was gathered for a partition is dropped when the partition
goes away.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

import structlog

from schemas.dead_letter import DeadLetter
from schemas.errors import InvalidRecord
from streams.base.context import Abandoned, Context
from streams.base.crash_points import passing
from streams.base.dead_letters import DeadLetters
from streams.base.progress import Progress
from streams.gathering.gather import Gatherer, Group, Patience
from streams.kafka.batch import Batch
from streams.kafka.producer import Outgoing

log = structlog.get_logger(__name__)

Part = TypeVar("Part")
Place = tuple[str, int]


class Gathered(NamedTuple, Generic[Part]):
    """A part as read from a record: the key it belongs under, its weight, and whether it ends its group."""

    key: str
    part: Part
    size: int
    ended: bool
    log_time: float
    offset: int


class Gathering(Generic[Part]):
    """Groups of all partitions of one agent.

    Parameters
    ----------
    compose : makes the record of a whole, or several where one would be too large; called in a thread. A whole that it
        raises for is a dead letter.
    max_open_bytes : beyond it the oldest groups leave early, with the reason ``memory``.
    """

    def __init__(
        self,
        context: Context,
        progress: Progress,
        patience: Patience,
        compose: Callable[[Group[Part]], list[Outgoing]],
        dead_letters: DeadLetters,
        *,
        max_open_bytes: float,
    ) -> None:
        self._context, self._progress, self._patience, self._compose = context, progress, patience, compose
        self._dead_letters, self._max_open_bytes = dead_letters, max_open_bytes
        self._gatherers: dict[Place, Gatherer[Part]] = {}
        self._batches: dict[Place, list[Batch]] = {}
        self._generation = -1
        self.lock = asyncio.Lock()

    async def take_up(self, batch: Batch, parts: Sequence[Gathered[Part]]) -> None:
        """Gather the parts of a chunk, then write out what is whole by now. Call with `lock` held."""
        self.drop_lost()
        gatherer = self._gatherers.setdefault(batch.place, Gatherer(self._patience))
        now = time.monotonic()
        for part in parts:
            gatherer.add(
                part.key,
                part.part,
                holder=batch,
                size=part.size,
                ended=part.ended,
                log_time=part.log_time,
                monotonic=now,
                offset=part.offset,
            )
        batch.open = sum(batch in group.holders for group in gatherer.groups())
        batch.forget_records()
        self._batches.setdefault(batch.place, []).append(batch)
        self._ack_finished(batch.place)
        await self.write_due()

    async def tick(self) -> None:
        """Write out what has become whole by the passing of time."""
        async with self.lock:
            self.drop_lost()
            try:
                await self.write_due()
            except Abandoned:
                log.info("partitions taken away while writing")

    async def write_due(self) -> None:
        """Write out every group whose time has come, and the oldest ones while there is too much."""
        now = time.monotonic()
        for place, gatherer in self._gatherers.items():
            await self._write(place, list(gatherer.take_due(monotonic=now, caught_up=self._progress.caught_up(*place))))
        while self.size > self._max_open_bytes:
            place, gatherer = max(self._gatherers.items(), key=lambda item: item[1].size)
            oldest = gatherer.take_oldest("memory")
            await self._write(place, [oldest] if oldest else [])

    @property
    def size(self) -> int:
        """Bytes gathered and not yet written out."""
        return sum(gatherer.size for gatherer in self._gatherers.values())

    def __len__(self) -> int:
        return sum(len(gatherer) for gatherer in self._gatherers.values())

    def drop_lost(self) -> None:
        """Forget what was gathered under an earlier assignment: it is being read again, here or elsewhere."""
        if self._context.generation() != self._generation:
            self._generation = self._context.generation()
            self._gatherers.clear()
            self._batches.clear()

    async def _write(self, place: Place, groups: Sequence[Group[Part]]) -> None:
        if not groups:
            return
        batch = self._batches[place][0]
        outgoing, letters = await asyncio.to_thread(self._composed, place, groups)
        await self._dead_letters.bury(batch, letters)
        await self._context.patiently(batch, "writing wholes", lambda: self._context.producer.publish(outgoing))
        passing("gathering.published")
        for group in groups:
            for holder in group.holders:
                holder.open -= 1  # type: ignore[attr-defined]
        self._ack_finished(place)

    def _composed(self, place: Place, groups: Sequence[Group[Part]]) -> tuple[list[Outgoing], list[DeadLetter]]:
        outgoing: list[Outgoing] = []
        letters = []
        for group in groups:
            try:
                outgoing += self._compose(group)
            except Exception as error:  # whatever it is, one whole must not hold up the others
                if not isinstance(error, InvalidRecord):
                    log.exception("a whole could not be written", key=group.key)
                first = _First(place[1], group.offset, group.key.encode(), int(group.first[0] * 1000))
                letters.append(self._dead_letters.letter(first, place[0], 0, error))
        return outgoing, letters

    def _ack_finished(self, place: Place) -> None:
        waiting = self._batches.get(place, [])
        for batch in [batch for batch in waiting if batch.open <= 0]:
            batch.ack()
            waiting.remove(batch)


class _First(NamedTuple):
    """Stands for the first record of a whole, which is not in memory any more."""

    partition: int
    offset: int
    key: bytes
    timestamp: int
    value: bytes = b""
    headers: tuple[()] = ()
