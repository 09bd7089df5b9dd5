"""kill -9 while producers write: nothing acknowledged is lost, and idempotent producers write nothing twice."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from aiokafka import AIOKafkaProducer

from tests.brokers import DevBrokerProcess
from tests.contracts.broker.aiokafka_client import AiokafkaClient

RECORDS, BATCH, KILLS = 20_000, 500, 4


@pytest.mark.parametrize("idempotent", [True, False])
async def test_20000_acknowledged_records_survive_kills(tmp_path, idempotent):
    broker = DevBrokerProcess(tmp_path / "data")
    broker.start()
    acknowledged: list[bytes] = []
    producing = asyncio.create_task(_produce(broker.bootstrap_servers, acknowledged, idempotent))
    for kill in range(1, KILLS + 1):
        while len(acknowledged) < kill * RECORDS // (KILLS + 1):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        broker.kill()
        broker.start()
    await producing
    broker.kill()
    broker.start()
    kept = await _read(broker.bootstrap_servers)
    broker.stop()
    assert len(acknowledged) == RECORDS
    assert set(acknowledged) <= kept.keys()
    if idempotent:
        assert max(kept.values()) == 1


async def _produce(bootstrap: str, acknowledged: list[bytes], idempotent: bool) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, enable_idempotence=idempotent, acks="all", request_timeout_ms=20_000
    )
    await producer.start()
    for first in range(0, RECORDS, BATCH):
        values = [b"%d" % number for number in range(first, first + BATCH)]
        sent = [await producer.send("topic", value) for value in values]
        results = await asyncio.gather(*sent, return_exceptions=True)
        while failed := [value for value, result in zip(values, results, strict=True) if isinstance(result, Exception)]:
            acknowledged += set(values) - set(failed)
            values = failed
            sent = [await producer.send("topic", value) for value in values]
            results = await asyncio.gather(*sent, return_exceptions=True)
        acknowledged += values
    await producer.stop()


async def _read(bootstrap: str) -> Counter[bytes]:
    client, kept = AiokafkaClient(bootstrap), Counter()
    for partition in range(4):
        start, end = await client.offsets("topic", partition)
        records = await client.fetch("topic", partition, start, end - start)
        kept.update(record.value for record in records if record.value)
    return kept
