"""Topics and their settings."""

from __future__ import annotations

import pytest

from tests.contracts.broker.client import Record, Refused
from tests.contracts.broker.eventually import eventually

UNKNOWN_TOPIC, INVALID_TOPIC, ALREADY_EXISTS, INVALID_PARTITIONS, INVALID_CONFIG = 3, 17, 36, 37, 40


async def test_create_grow_and_delete(client, name):
    await client.create_topic(name, 2)
    await eventually(client.topics, lambda topics: topics.get(name) == 2)
    await client.create_partitions(name, 5)
    await eventually(client.topics, lambda topics: topics.get(name) == 5)
    assert await client.produce(name, [Record(b"new", partition=4)]) == [0]
    await client.delete_topic(name)
    await eventually(client.topics, lambda topics: name not in topics)


async def test_a_topic_made_again_starts_empty_and_forgets_what_groups_read(client, name):
    await client.create_topic(name)
    await client.produce(name, [Record(b"old")])
    await client.commit(name, name, 0, 1)
    await client.delete_topic(name)
    await eventually(client.topics, lambda topics: name not in topics)
    await client.create_topic(name)
    await eventually(client.topics, lambda topics: name in topics)
    assert await client.offsets(name, 0) == (0, 0)
    assert await client.committed(name, name, 0) is None
    assert await client.produce(name, [Record(b"new")]) == [0]


@pytest.mark.parametrize(
    ("topic", "partitions", "config", "code"),
    [
        ("not legal", 1, {}, INVALID_TOPIC),
        ("..", 1, {}, INVALID_TOPIC),
        ("x" * 250, 1, {}, INVALID_TOPIC),
        ("suite-fine", 1, {"retention.hours": "1"}, INVALID_CONFIG),
        ("suite-fine", 1, {"retention.ms": "soon"}, INVALID_CONFIG),
        ("suite-fine", 1, {"retention.ms": "-2"}, INVALID_CONFIG),
        ("suite-fine", 1, {"segment.bytes": "100"}, INVALID_CONFIG),
    ],
)
async def test_what_cannot_be_created(client, topic, partitions, config, code):
    with pytest.raises(Refused) as refused:
        await client.create_topic(topic, partitions, config)
    assert refused.value.code == code


async def test_errors_about_topics(client, name):
    await client.create_topic(name, 2)
    for attempt, code in (
        (client.create_topic(name), ALREADY_EXISTS),
        (client.create_partitions(name, 2), INVALID_PARTITIONS),
        (client.create_partitions(f"{name}-none", 2), UNKNOWN_TOPIC),
        (client.delete_topic(f"{name}-none"), UNKNOWN_TOPIC),
        (client.config(f"{name}-none"), UNKNOWN_TOPIC),
        (client.set_config(f"{name}-none", "retention.ms", "1"), UNKNOWN_TOPIC),
    ):
        with pytest.raises(Refused) as refused:
            await attempt
        assert refused.value.code == code


async def test_settings_are_told_and_changed(client, name):
    await client.create_topic(name, config={"retention.ms": "3600000"})
    told = await client.config(name)
    assert told["retention.ms"] == "3600000"
    assert told["cleanup.policy"] == "delete"
    assert told["retention.bytes"] == "-1"
    await client.set_config(name, "retention.bytes", "1000000")
    await eventually(lambda: client.config(name), lambda config: config["retention.bytes"] == "1000000")
    with pytest.raises(Refused) as refused:
        await client.set_config(name, "retention.bytes", "many")
    assert refused.value.code == INVALID_CONFIG
