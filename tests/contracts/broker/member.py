"""A group member in a process of its own, so that it can be killed.

``python -m tests.contracts.broker.member LIBRARY BOOTSTRAP GROUP TOPIC SESSION_MS`` prints its partitions, as a JSON list,
whenever they change, and leaves the group when its standard input closes.
"""

from __future__ import annotations

import asyncio
import json
import sys

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from confluent_kafka import Consumer

HEARTBEAT_MS = 300


def _tell(partitions) -> None:
    print(json.dumps(sorted(each.partition for each in partitions)), flush=True)


class _Teller(ConsumerRebalanceListener):
    async def on_partitions_revoked(self, revoked) -> None:
        pass

    async def on_partitions_assigned(self, assigned) -> None:
        _tell(assigned)


async def _aiokafka(bootstrap: str, group: str, topic: str, session_ms: int) -> None:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group,
        session_timeout_ms=session_ms,
        heartbeat_interval_ms=HEARTBEAT_MS,
        auto_offset_reset="earliest",
    )
    consumer.subscribe([topic], listener=_Teller())
    await consumer.start()
    reading = asyncio.create_task(_read(consumer))
    await asyncio.to_thread(sys.stdin.read)
    reading.cancel()
    await consumer.stop()


async def _read(consumer: AIOKafkaConsumer) -> None:
    async for _ in consumer:
        pass


async def _librdkafka(bootstrap: str, group: str, topic: str, session_ms: int) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "session.timeout.ms": session_ms,
            "heartbeat.interval.ms": HEARTBEAT_MS,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic], on_assign=lambda _, assigned: _tell(assigned))
    closed = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    while not closed.done():
        await asyncio.to_thread(consumer.poll, 0.1)
    consumer.close()


if __name__ == "__main__":
    library, where, group_name, topic_name, session = sys.argv[1:]
    run = {"aiokafka": _aiokafka, "librdkafka": _librdkafka}[library]
    asyncio.run(run(where, group_name, topic_name, int(session)))
