"""What the dev broker does not do, it says at once, in the protocol's own words."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import TransactionalIdAuthorizationFailed
from confluent_kafka import KafkaException, Producer

from tests.contracts.broker.aiokafka_client import AiokafkaClient
from tests.contracts.broker.client import Refused

INVALID_REPLICATION_FACTOR, INVALID_CONFIG = 38, 40
TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53


async def test_a_transactional_aiokafka_producer_is_refused_at_start(embedded):
    producer = AIOKafkaProducer(bootstrap_servers=embedded.bootstrap_servers, transactional_id="mine")
    with pytest.raises(TransactionalIdAuthorizationFailed):
        await asyncio.wait_for(producer.start(), 10)
    await producer.stop()


async def test_a_transactional_librdkafka_producer_is_refused_at_start(embedded):
    producer = Producer({"bootstrap.servers": embedded.bootstrap_servers, "transactional.id": "mine", "log_level": 0})
    with pytest.raises(KafkaException) as refused:
        await asyncio.to_thread(producer.init_transactions, 10)
    assert refused.value.args[0].code() == TRANSACTIONAL_ID_AUTHORIZATION_FAILED


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cleanup.policy", "compact"),
        ("cleanup.policy", "compact,delete"),
        ("message.timestamp.type", "LogAppendTime"),
        ("compression.type", "zstd"),
        ("min.insync.replicas", "2"),
    ],
)
async def test_settings_that_would_not_be_honoured_are_refused(embedded, name, value):
    client = AiokafkaClient(embedded.bootstrap_servers)
    with pytest.raises(Refused) as refused:
        await client.create_topic("topic", config={name: value})
    assert refused.value.code == INVALID_CONFIG
    await client.create_topic("topic")
    with pytest.raises(Refused) as refused:
        await client.set_config("topic", name, value)
    assert refused.value.code == INVALID_CONFIG


async def test_replicas_are_refused(embedded):
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    admin = AIOKafkaAdminClient(bootstrap_servers=embedded.bootstrap_servers)
    await admin.start()
    answer = await admin.create_topics([NewTopic("topic", 1, 3)])
    await admin.close()
    assert answer.topic_errors[0][1] == INVALID_REPLICATION_FACTOR
