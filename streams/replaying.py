"""A range of the topic `traces`, read beside the workers: no consumer group, nothing committed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from schemas.errors import ConfigError, Unavailable
from schemas.settings import KafkaSettings, Topics
from streams.connection import client_options
from streams.status import partitions_of

FETCH_MS = 1000
FETCH_BYTES = 8 * 2**20


async def records_between(
    kafka: KafkaSettings, start: datetime, end: datetime
) -> AsyncIterator[list[tuple[str, bytes]]]:
    """Batches of (TOPIC-PARTITION@OFFSET, value) whose timestamps are in [start, end), up to the ends of the log as
    they are now.

    Raises
    ------
    ConfigError : there is no such topic.
    Unavailable : no broker answers.
    """
    topic = kafka.topic_prefix + Topics.TRACES
    consumer = AIOKafkaConsumer(
        **client_options(kafka),
        enable_auto_commit=False,
        isolation_level="read_committed",
        fetch_max_bytes=FETCH_BYTES,
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    admin = AIOKafkaAdminClient(**client_options(kafka))
    try:
        await consumer.start()
        await admin.start()
        partitions = (await partitions_of(admin, [topic]))[topic]
        if not partitions:
            raise ConfigError(f"there is no topic {topic}")
        async for batch in _read(consumer, partitions, start, end):
            yield batch
    except KafkaError as error:
        raise Unavailable(f"no broker answers at {kafka.bootstrap_servers}: {error}") from error
    finally:
        await admin.close()
        await consumer.stop()


async def _read(
    consumer: AIOKafkaConsumer, partitions: list[TopicPartition], start: datetime, end: datetime
) -> AsyncIterator[list[tuple[str, bytes]]]:
    consumer.assign(partitions)
    begins = await consumer.offsets_for_times(dict.fromkeys(partitions, _ms(start)))
    ends = await consumer.end_offsets(partitions)
    left = set()
    for tp in partitions:
        found = begins.get(tp)
        if found is not None and found.offset < ends[tp]:
            consumer.seek(tp, found.offset)
            left.add(tp)
    for tp in partitions:
        if tp not in left:
            consumer.pause(tp)
    while left:
        fetched = await consumer.getmany(*left, timeout_ms=FETCH_MS)
        batch = []
        for tp, records in fetched.items():
            # timestamps are the producers' and need not rise: a later record may still be inside the range
            batch += [
                (f"{tp.topic}-{tp.partition}@{record.offset}", record.value or b"")
                for record in records
                if record.offset < ends[tp] and _ms(start) <= record.timestamp < _ms(end)
            ]
        if batch:
            yield batch
        for tp in list(left):
            if await consumer.position(tp) >= ends[tp]:
                left.discard(tp)
                consumer.pause(tp)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
