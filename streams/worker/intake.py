"""The door between the consumer and a component: batches are counted and timed, and held back while it is shut.

Shut, no new batch is begun: what is fetched waits in bounded buffers. At rest, nothing is in hand: that is the border at
which a worker may drain, or change its configuration.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from time import perf_counter, time

from streams.kafka.batch import Batch
from streams.telemetry import Metrics

Receive = Callable[[Batch], Awaitable[None]]


class Intake:
    """Hands batches to receivers. `generation` tells the current assignment; `taken` counts records by topic."""

    def __init__(self, metrics: Metrics, generation: Callable[[], int]) -> None:
        self._metrics, self._generation = metrics, generation
        self._open = asyncio.Event()
        self._open.set()
        self._at_rest = asyncio.Event()
        self._at_rest.set()
        self._in_hand = 0
        self.taken: Counter[str] = Counter()

    def through(self, receivers: Mapping[str, Receive]) -> dict[str, Receive]:
        """The same receivers behind this door."""
        return {topic: self._watched(receive) for topic, receive in receivers.items()}

    def shut(self) -> None:
        """Begin no new batch; `at_rest` then comes when the last one is done."""
        self._open.clear()

    async def at_rest(self) -> None:
        """Wait until no batch is in hand."""
        await self._at_rest.wait()

    @asynccontextmanager
    async def border(self) -> AsyncIterator[None]:
        """Between two batches: nothing is in hand, and nothing is begun until the end of the block."""
        was_open = self._open.is_set()
        self._open.clear()
        try:
            await self._at_rest.wait()
            yield
        finally:
            if was_open:
                self._open.set()

    def _watched(self, receive: Receive) -> Receive:
        async def receive_watched(batch: Batch) -> None:
            await self._open.wait()
            if batch.generation != self._generation():
                return  # of an earlier assignment by now; it is being read again
            self._in_hand += 1
            self._at_rest.clear()
            begun, oldest, count = perf_counter(), batch.records[0].timestamp / 1000, len(batch.records)
            try:
                await receive(batch)
            finally:
                self._in_hand -= 1
                if not self._in_hand:
                    self._at_rest.set()
            self._note(batch.topic, count, perf_counter() - begun, time() - oldest)

        return receive_watched

    def _note(self, topic: str, count: int, took_s: float, age_s: float) -> None:
        metrics = self._metrics
        self.taken[topic] += count
        metrics.records.labels(topic).inc(count)
        metrics.batch_records.labels(topic).observe(count)
        metrics.batch_seconds.labels(topic).observe(took_s)
        metrics.record_age_seconds.labels(topic).observe(max(age_s, 0.0))
