"""Stopping a consumer whose broker has just died."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.kafka.stopping import is_cancelled, stop
from tests.brokers import DevBrokerProcess


async def reading(broker: DevBrokerProcess) -> AIOKafkaConsumer:
    """A consumer that waits a minute before it fetches again after a failure."""
    topic = f"stopping-{uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap_servers)
    await consumer.start()
    consumer.assign([TopicPartition(topic, 0)])
    consumer._fetcher._retry_backoff = 60.0
    await consumer.getmany(timeout_ms=300)
    return consumer


@pytest.mark.parametrize("died", [False, True], ids=["alive", "dead"])
async def test_nothing_but_the_consumer_ends(tmp_path: Path, died: bool) -> None:
    broker = DevBrokerProcess(tmp_path / "broker")
    broker.start()
    consumer = await reading(broker)
    before = asyncio.all_tasks()
    if died:
        broker.kill()
        await asyncio.sleep(0.5)
    async with asyncio.timeout(10):
        await stop(consumer)
    broker.stop()
    assert not is_cancelled()
    left = [task for task in asyncio.all_tasks() & before if task is not asyncio.current_task() and not task.done()]
    assert left == [], "it leaves a task behind"
