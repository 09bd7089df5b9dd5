"""Writing to and reading from Kafka as anybody might: by plain clients, without our settings or limits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.e2e.hostile import PARTITIONS, Hostile
from tests.e2e.stack import Stack

ROOMY_BYTES = 16 * 2**20


class Place(NamedTuple):
    """Where a record lies; the topic is without prefix."""

    topic: str
    partition: int
    offset: int


async def make_roomy_topics(stack: Stack, *names: str) -> None:
    """Topics that take larger records than ours."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.bootstrap_servers)
    await admin.start()
    configs = {"max.message.bytes": str(ROOMY_BYTES)}
    await admin.create_topics([NewTopic(stack.prefix + n, PARTITIONS, 1, topic_configs=configs) for n in names])
    await admin.close()


async def write(stack: Stack, records: Sequence[Hostile]) -> list[Place]:
    """Write raw records in order, spread over the partitions; where each of them lies."""
    producer = AIOKafkaProducer(
        bootstrap_servers=stack.bootstrap_servers, max_request_size=ROOMY_BYTES, compression_type=None
    )
    await producer.start()
    try:
        sent = [
            await producer.send(
                stack.prefix + record.topic, record.value, key=record.key, timestamp_ms=record.timestamp_ms
            )
            for record in records
        ]
        found = await asyncio.gather(*sent)
    finally:
        await producer.stop()
    return [Place(r.topic, m.partition, m.offset) for r, m in zip(records, found, strict=True)]


async def read_all(stack: Stack, topic: str) -> list[Any]:
    """Every record of a topic."""
    consumer = AIOKafkaConsumer(
        stack.prefix + topic, bootstrap_servers=stack.bootstrap_servers, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        found: list[Any] = []
        while batches := await consumer.getmany(timeout_ms=2_000):
            found += _flat(batches.values())
        return found
    finally:
        await consumer.stop()


def _flat(lists: Iterable[list[Any]]) -> list[Any]:
    return [item for items in lists for item in items]
