"""One-off writing to Kafka, with a clear word when the broker is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from schemas.errors import Unavailable
from schemas.settings import KafkaSettings
from streams.kafka.producer import Outgoing, Producer
from streams.kafka.topics import ensure_topics

CONNECT_S = 15.0


@asynccontextmanager
async def connected(kafka: KafkaSettings) -> AsyncIterator[Producer]:
    """A producer whose topics exist.

    Raises
    ------
    Unavailable : no broker answers within `CONNECT_S`.
    """
    producer = Producer(kafka)
    try:
        async with asyncio.timeout(CONNECT_S):
            await ensure_topics(kafka)
            await producer.start()
    except TimeoutError:
        raise Unavailable(f"no broker answers at {kafka.bootstrap_servers} within {CONNECT_S:.0f} s") from None
    try:
        yield producer
    finally:
        await producer.close()


async def send(kafka: KafkaSettings, records: Sequence[Outgoing]) -> None:
    """Connect, write, disconnect."""
    async with connected(kafka) as producer:
        await producer.publish(records)
