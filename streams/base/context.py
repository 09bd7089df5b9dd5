"""What every component is given: settings, warehouse, producer, keys; and how it waits for what is away."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import TypeVar

import structlog

from schemas.errors import EvalstreamError, Unavailable
from schemas.ids import Hasher
from schemas.settings import Settings, SourceMap
from sinks.redact import Redactor
from sinks.warehouse import Warehouse
from streams.kafka.batch import Batch
from streams.kafka.producer import Producer
from streams.kafka.stopping import is_cancelled
from streams.telemetry import Metrics

log = structlog.get_logger(__name__)

Result = TypeVar("Result")
FIRST_WAIT_S, MAX_WAIT_S = 0.2, 10.0


class Abandoned(EvalstreamError):
    """The partition was taken away while its work waited; whoever has it now does the work."""


@dataclass
class Context:
    """Shared by the parts of one worker.

    Attributes
    ----------
    settings, source : as last loaded; only what `streams.worker.reload` calls reloadable ever changes.
    generation : tells the current assignment of the consumer group.
    outages : what waits for a dependency just now, and how often.
    dropped : how much was left out on purpose, by reason.
    """

    settings: Settings
    source: SourceMap
    warehouse: Warehouse
    producer: Producer
    hasher: Hasher
    redactor: Redactor
    partitions: dict[str, int]
    generation: Callable[[], int]
    metrics: Metrics = field(default_factory=Metrics)
    outages: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)

    def drop(self, what: str, reason: str, count: int) -> None:
        """Count what is left out on purpose."""
        if count:
            self.dropped[reason] += count
            self.metrics.dropped.labels(what, reason).inc(count)

    def holds(self, batch: Batch) -> bool:
        """Whether the batch's partition is still ours."""
        return batch.generation == self.generation()

    async def patiently(self, batch: Batch | None, what: str, work: Callable[[], Awaitable[Result]]) -> Result:
        """Do `work`, again and again while a dependency is away.

        Raises
        ------
        Abandoned : the batch's partition was taken away meanwhile.
        """
        try:
            return await _done(work)
        except Unavailable as error:
            log.warning("waiting for a dependency", doing=what, reason=str(error))
            with self._outage(what):
                result = await self._again(batch, what, work, error)
        log.info("the dependency is back", doing=what)
        return result

    async def in_thread(self, batch: Batch | None, what: str, call: Callable[[], Result]) -> Result:
        """`patiently`, for a blocking call: one transaction of the warehouse."""

        def timed() -> Result:
            begun = perf_counter()
            result = call()
            self.metrics.transaction_seconds.labels(what).observe(perf_counter() - begun)
            return result

        return await self.patiently(batch, what, lambda: asyncio.to_thread(timed))

    async def _again(
        self, batch: Batch | None, what: str, work: Callable[[], Awaitable[Result]], error: Unavailable
    ) -> Result:
        wait = FIRST_WAIT_S
        while True:
            self.metrics.unavailable.labels(what).inc()
            await asyncio.sleep(min(max(error.retry_after_s, wait), MAX_WAIT_S))
            wait *= 2
            if batch is not None and not self.holds(batch):
                raise Abandoned(what) from error
            try:
                return await _done(work)
            except Unavailable as next_error:
                if str(next_error) != str(error):
                    log.warning("still waiting for a dependency", doing=what, reason=str(next_error))
                error = next_error

    @contextmanager
    def _outage(self, what: str) -> Iterator[None]:
        self.outages[what] += 1
        try:
            yield
        finally:
            self.outages[what] -= 1
            if not self.outages[what]:
                del self.outages[what]


async def _done(work: Callable[[], Awaitable[Result]]) -> Result:
    """A client whose connection breaks may cancel what others wait for: then it is away, and we are not asked to end."""
    try:
        return await work()
    except asyncio.CancelledError:
        if is_cancelled():
            raise
        raise Unavailable("a request was cancelled with its connection") from None


def default_hasher(settings: Settings) -> Hasher:
    """The installation's keyed digests; without EVALSTREAM_KEY the key is the project's name, which is no secret."""
    key = settings.redaction.key
    return Hasher(key.get_secret_value().encode() if key else b"evalstream/" + settings.project.encode())
