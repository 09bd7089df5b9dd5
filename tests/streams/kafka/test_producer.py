"""A producer goes on, whatever becomes of the client behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.conn import AIOKafkaConnection
from aiokafka.producer.message_accumulator import MessageBatch
from aiokafka.producer.sender import Sender

from schemas.errors import Unavailable
from schemas.settings import KafkaSettings
from streams.kafka import producer as module
from streams.kafka.producer import Outgoing, Producer
from tests.brokers import RunningBroker

RECORDS = [Outgoing("into", b"one", partition=0)]


@pytest.fixture
async def producer(broker: RunningBroker) -> AsyncIterator[Producer]:
    prefix = f"{uuid4().hex[:8]}-"
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(f"{prefix}into", 1, 1)])
    await admin.close()
    made = Producer(KafkaSettings(bootstrap_servers=broker.bootstrap_servers, topic_prefix=prefix))
    await made.start()
    assert await made.publish(RECORDS) == 1
    yield made
    await made.close()


def once(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, instead: Any) -> None:
    """The first call of a method is `instead`."""
    proper = getattr(owner, name)

    def first(*arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(owner, name, proper)
        return instead(*arguments, **named)

    monkeypatch.setattr(owner, name, first)


async def test_a_sender_that_ended_by_an_error(monkeypatch: pytest.MonkeyPatch, producer: Producer) -> None:
    def closed(*_: Any, **__: Any) -> None:
        raise RuntimeError("the handler is closed")

    once(monkeypatch, AIOKafkaConnection, "send", closed)
    with pytest.raises(Unavailable):
        await producer.publish(RECORDS)
    assert await producer.publish(RECORDS) == 1


@pytest.mark.parametrize("owner, name", [(Sender, "_send_produce_req"), (AIOKafkaClient, "send")])
async def test_an_acknowledgement_that_never_comes(
    monkeypatch: pytest.MonkeyPatch, producer: Producer, owner: type, name: str
) -> None:
    monkeypatch.setattr(module, "ACKNOWLEDGED_S", 0.5)
    monkeypatch.setattr("streams.kafka.stopping.END_S", 0.5)

    async def for_ever(*_: Any, **__: Any) -> None:
        await asyncio.Event().wait()

    once(monkeypatch, owner, name, for_ever)
    with pytest.raises(Unavailable, match=r"within 0\.5 s"):
        await producer.publish(RECORDS)
    monkeypatch.setattr(module, "ACKNOWLEDGED_S", 30)
    assert await producer.publish(RECORDS) == 1


async def test_a_batch_that_was_given_up_while_its_partition_had_no_leader(
    monkeypatch: pytest.MonkeyPatch, producer: Producer
) -> None:
    with monkeypatch.context() as without:
        without.setattr(ClusterMetadata, "leader_for_partition", lambda *_: -1)
        without.setattr(MessageBatch, "expired", lambda _: True)
        with pytest.raises(Unavailable, match="LeaderNotAvailable"):
            await producer.publish(RECORDS)
    assert await producer.publish(RECORDS) == 1


async def test_many_that_fail_together_connect_once(monkeypatch: pytest.MonkeyPatch, producer: Producer) -> None:
    async def ended(*_: Any, **__: Any) -> None:
        raise RuntimeError("the handler is closed")

    once(monkeypatch, Sender, "_send_produce_req", ended)
    started, start = [], AIOKafkaProducer.start

    async def counted(client: AIOKafkaProducer) -> None:
        started.append(client)
        await start(client)

    monkeypatch.setattr(AIOKafkaProducer, "start", counted)
    outcomes = await asyncio.gather(*(producer.publish(RECORDS) for _ in range(20)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} <= {int, Unavailable}
    assert await asyncio.gather(*(producer.publish(RECORDS) for _ in range(20))) == [1] * 20
    assert len(started) == 1


async def test_while_no_broker_answers_all_wait_for_one_attempt(
    monkeypatch: pytest.MonkeyPatch, free_tcp_port: int
) -> None:
    tried, start = [], AIOKafkaProducer.start

    async def counted(client: AIOKafkaProducer) -> None:
        tried.append(client)
        await start(client)

    monkeypatch.setattr(AIOKafkaProducer, "start", counted)
    producer = Producer(KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_tcp_port}"))
    outcomes = await asyncio.gather(*(producer.publish(RECORDS) for _ in range(20)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Unavailable} and len(tried) == 1
    await producer.close()


async def test_connections_that_break_as_a_batch_is_written(producer: Producer) -> None:
    assert producer._client is not None
    for _ in range(20):
        for connection in producer._client.client._conns.values():
            connection._writer.transport.abort()
        assert await producer.publish(RECORDS) == 1
