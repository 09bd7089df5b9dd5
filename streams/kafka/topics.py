"""Topics: made with sensible partitions and retention where they are missing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from schemas.errors import ConfigError, Unavailable
from schemas.settings import KafkaSettings, Topics
from streams.kafka.connection import client_options, why_no_answer

SINGLE_PARTITION = (Topics.ALERTS, Topics.DRIFT, Topics.FEEDBACK, Topics.DEAD_LETTERS)
METADATA_TRIES = 50


async def ensure_topics(settings: KafkaSettings) -> dict[str, int]:
    """Create the topics that are missing; the partition count of every topic, by its name without prefix.

    Raises
    ------
    Unavailable : no broker answers.
    ConfigError : the broker refuses us, or to create a topic.
    """
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        await admin.start()
        existing = set(await admin.list_topics())
        missing = [_new_topic(name, settings) for name in Topics.ALL if settings.topic_prefix + name not in existing]
        if missing:
            _check(await admin.create_topics(missing))
        return await _partition_counts(admin, settings)
    except KafkaError as error:
        raise await why_no_answer(settings, error) from error
    finally:
        await admin.close()


def _new_topic(name: str, settings: KafkaSettings) -> NewTopic:
    limit = int(settings.max_record_mb * 2**20)
    return NewTopic(
        settings.topic_prefix + name,
        1 if name in SINGLE_PARTITION else settings.partitions,
        settings.replication_factor,
        topic_configs={
            "retention.ms": str(int(settings.retention_h * 3_600_000)),
            "max.message.bytes": str(limit + 64 * 1024),
        },
    )


def _check(response: object) -> None:
    for name, code, *rest in response.topic_errors:  # type: ignore[attr-defined]
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise ConfigError(
                f"the broker did not create the topic {name}: {(rest and rest[0]) or error.__name__}", path="kafka"
            )


async def _partition_counts(admin: AIOKafkaAdminClient, settings: KafkaSettings) -> dict[str, int]:
    """The first metadata of a new topic may be missing for a moment: ask again."""
    names = [settings.topic_prefix + name for name in Topics.ALL]
    for _ in range(METADATA_TRIES):
        described = await admin.describe_topics(names)
        counts = {topic["topic"]: len(topic["partitions"]) for topic in described if not topic["error_code"]}
        if all(counts.get(name) for name in names):
            return {name: counts[settings.topic_prefix + name] for name in Topics.ALL}
        await asyncio.sleep(0.1)
    raise Unavailable("the broker does not describe the topics it has just created")


async def partitions_of(admin: AIOKafkaAdminClient, topics: Sequence[str]) -> dict[str, list[TopicPartition]]:
    """The partitions of each topic; a topic that does not exist has none, and is not made by asking."""
    described = {topic["topic"]: topic for topic in await admin.describe_topics(list(topics))}
    return {
        name: [TopicPartition(name, p["partition"]) for p in described.get(name, {}).get("partitions", ())]
        for name in topics
    }
