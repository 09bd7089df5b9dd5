"""Where the logs end, asked of the broker.

A consumer learns of the end of a log from its fetches, and does not fetch while its buffers are full: just when a worker
falls behind, it does not see how far. So the ends are asked for by a connection of their own. They are for people and for
shedding; whether a worker has caught up is still decided by what it has fetched.
"""

from __future__ import annotations

import asyncio

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from faust.types import TP

from streams.base.context import Context
from streams.base.progress import Progress
from streams.kafka.connection import client_options
from streams.kafka.stopping import stop

log = structlog.get_logger(__name__)

EVERY_S = 2.0
ANSWER_S = 10.0


class LogEnds:
    """Tells a worker's `Progress`, every two seconds."""

    def __init__(self, context: Context, progress: Progress) -> None:
        self._settings, self._progress = context.settings.kafka, progress

    async def run(self) -> None:
        """Ask until cancelled; while the broker is away, what was known last stays."""
        while True:
            try:
                await self._ask()
            except (KafkaError, TimeoutError, OSError) as error:
                log.debug("the ends of the logs are not known", reason=repr(error))
            await asyncio.sleep(EVERY_S)

    async def _ask(self) -> None:
        consumer = AIOKafkaConsumer(**client_options(self._settings))
        try:
            await consumer.start()
            while True:
                held = [TopicPartition(tp.topic, tp.partition) for tp in self._progress.assigned()]
                async with asyncio.timeout(ANSWER_S):
                    ends = await consumer.end_offsets(held) if held else {}
                self._progress.ends = {TP(tp.topic, tp.partition): end for tp, end in ends.items()}
                await asyncio.sleep(EVERY_S)
        finally:
            await stop(consumer)
