"""What every component is given: settings, warehouse, producer, keys; and how it waits for what is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog

from schemas.errors import EvalstreamError, Unavailable
from schemas.ids import Hasher
from schemas.settings import Settings, SourceMap
from sinks.redact import Redactor
from sinks.warehouse import Warehouse
from streams.batch import Batch
from streams.producer import Producer

log = structlog.get_logger(__name__)

Result = TypeVar("Result")
MAX_WAIT_S = 10.0


class Abandoned(EvalstreamError):
    """The partition was taken away while its work waited; whoever has it now does the work."""


@dataclass(frozen=True)
class Context:
    """Shared by the parts of one worker. `generation` tells the current assignment of the consumer group."""

    settings: Settings
    source: SourceMap
    warehouse: Warehouse
    producer: Producer
    hasher: Hasher
    redactor: Redactor
    partitions: dict[str, int]
    generation: Callable[[], int]

    def holds(self, batch: Batch) -> bool:
        """Whether the batch's partition is still ours."""
        return batch.generation == self.generation()

    async def patiently(self, batch: Batch | None, what: str, work: Callable[[], Awaitable[Result]]) -> Result:
        """Do `work`, again and again while a dependency is away.

        Raises
        ------
        Abandoned : the batch's partition was taken away meanwhile.
        """
        wait, told = 0.2, False
        while True:
            try:
                result = await work()
            except Unavailable as error:
                if not told:
                    log.warning("waiting for a dependency", doing=what, reason=str(error))
                    told = True
                await asyncio.sleep(min(max(error.retry_after_s, wait), MAX_WAIT_S))
                wait *= 2
                if batch is not None and not self.holds(batch):
                    raise Abandoned(what) from error
            else:
                if told:
                    log.info("the dependency is back", doing=what)
                return result

    async def in_thread(self, batch: Batch | None, what: str, call: Callable[[], Result]) -> Result:
        """`patiently`, for a blocking call such as SQL."""
        return await self.patiently(batch, what, lambda: asyncio.to_thread(call))


def default_hasher(settings: Settings) -> Hasher:
    """The installation's keyed digests; without EVALSTREAM_KEY the key is the project's name, which is no secret."""
    key = settings.redaction.key
    return Hasher(key.get_secret_value().encode() if key else b"evalstream/" + settings.project.encode())
