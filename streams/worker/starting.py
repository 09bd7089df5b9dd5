"""Waiting for what a worker needs, saying what for, and checking that it belongs to this installation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from schemas.errors import ConfigError, Unavailable
from schemas.ids import Hasher
from schemas.settings import Settings, SourceMap, Topics
from sinks.redact import Redactor
from sinks.warehouse import Warehouse
from streams.base.context import Context, default_hasher
from streams.kafka.batch import sleep_until
from streams.kafka.producer import Producer
from streams.kafka.topics import ensure_topics
from streams.opening import open_current
from streams.telemetry import Metrics

log = structlog.get_logger(__name__)

FIRST_WAIT_S, MAX_WAIT_S = 0.2, 5.0


class Starting:
    """Connects a worker. `waiting_for` names the dependency that is being asked; "" when all have answered."""

    def __init__(self, component: str, stop: asyncio.Event, metrics: Metrics) -> None:
        self._component, self._stop, self._metrics = component, stop, metrics
        self.waiting_for = "warehouse"

    async def context(self, settings: Settings, source: SourceMap, generation: Callable[[], int]) -> Context | None:
        """What the component is given, once warehouse and broker answer; None when told to stop meanwhile.

        Raises
        ------
        ConfigError : key or partitions are not those that the warehouse was filled with.
        """
        warehouse = await self._when_available("warehouse", lambda: asyncio.to_thread(open_current, settings))
        partitions = warehouse and await self._when_available("broker", lambda: ensure_topics(settings.kafka))
        producer = Producer(settings.kafka)
        if not partitions or await self._when_available("broker", lambda: _started(producer)) is None:
            return None
        self.waiting_for = ""
        hasher = default_hasher(settings)
        await asyncio.to_thread(_check_installation, warehouse, hasher, partitions)
        return Context(
            settings=settings,
            source=source,
            warehouse=warehouse,
            producer=producer,
            hasher=hasher,
            redactor=Redactor(settings.redaction, hasher),
            partitions=partitions,
            generation=generation,
            metrics=self._metrics,
        )

    async def _when_available(self, what: str, connect: Callable[[], Awaitable[Any]]) -> Any:
        wait, self.waiting_for = FIRST_WAIT_S, what
        while not self._stop.is_set():
            try:
                return await connect()
            except Unavailable as error:
                log.warning("waiting", component=self._component, dependency=what, reason=str(error))
            if not await sleep_until(self._stop, wait):
                wait = min(wait * 2, MAX_WAIT_S)
        return None


async def _started(producer: Producer) -> Producer:
    await producer.start()
    return producer


def _check_installation(warehouse: Warehouse, hasher: Hasher, partitions: dict[str, int]) -> None:
    """What must be equal on every worker, and over time: the key, and the partitions that segments are spread over."""
    warehouse.use_key(hasher)
    count = str(partitions[Topics.MEASUREMENTS])
    stored = warehouse.set_meta_once("measurements_partitions", count)
    if stored != count:
        raise ConfigError(
            f"the topic `measurements` has {count} partitions, and had {stored} when its monitors began; "
            "segments would change places: make the topic again with the old count",
            path="kafka.partitions",
        )
