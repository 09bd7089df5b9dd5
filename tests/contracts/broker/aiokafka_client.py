"""The suite's client on aiokafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import CommitFailedError, KafkaError
from aiokafka.protocol.admin import DeleteGroupsRequest
from aiokafka.structs import OffsetAndMetadata

from tests.contracts.broker.client import Record, Refused

MAX_RECORD_BYTES = 16 << 20
TIMEOUT_S = 60
UNKNOWN_MEMBER = 25


class AiokafkaClient:
    """See `Client`."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._bootstrap = bootstrap_servers

    async def create_topic(self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> None:
        async with self._admin() as admin:
            answer = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=dict(config or {}))])
        _check(answer.topic_errors[0][1])

    async def create_partitions(self, topic: str, total: int) -> None:
        async with self._admin() as admin:
            answer = await admin.create_partitions({topic: NewPartitions(total)})
        _check(answer.topic_errors[0][1])

    async def delete_topic(self, name: str) -> None:
        async with self._admin() as admin:
            answer = await admin.delete_topics([name])
        _check(answer.topic_error_codes[0][1])

    async def topics(self) -> dict[str, int]:
        async with self._admin() as admin:
            return {each["topic"]: len(each["partitions"]) for each in await admin.describe_topics()}

    async def config(self, topic: str) -> dict[str, str]:
        async with self._admin() as admin:
            answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        code, _, _, _, entries = answers[0].resources[0]
        _check(code)
        return {entry[0]: entry[1] for entry in entries}

    async def set_config(self, topic: str, name: str, value: str) -> None:
        async with self._admin() as admin:
            answers = await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {name: value})])
        _check(answers[0].resources[0][0])

    async def delete_records(self, topic: str, partition: int, before: int) -> None:
        async with self._admin() as admin:
            await admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(before)})

    async def produce(
        self, topic: str, records: Sequence[Record], *, compression: str | None = None, idempotent: bool = False
    ) -> list[int]:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            compression_type=compression,
            enable_idempotence=idempotent,
            max_request_size=MAX_RECORD_BYTES,
            request_timeout_ms=TIMEOUT_S * 1000,
        )
        async with _running(producer):
            sent = [
                await producer.send(
                    topic,
                    record.value,
                    record.key,
                    record.partition,
                    timestamp_ms=record.timestamp,
                    headers=list(record.headers),
                )
                for record in records
            ]
            return [done.offset for done in await asyncio.gather(*sent)]

    async def fetch(
        self,
        topic: str,
        partition: int,
        offset: int,
        count: int,
        *,
        committed_only: bool = False,
        max_bytes: int = 1 << 20,
    ) -> list[Record]:
        where = TopicPartition(topic, partition)
        options = {
            "isolation_level": "read_committed" if committed_only else "read_uncommitted",
            "max_partition_fetch_bytes": max_bytes,
            "fetch_max_bytes": max_bytes,
        }
        async with self._consumer(auto_offset_reset="none", **options) as consumer:
            consumer.assign([where])
            consumer.seek(where, offset)
            return await _take(consumer, count)

    async def offsets(self, topic: str, partition: int) -> tuple[int, int]:
        where = TopicPartition(topic, partition)
        async with self._consumer() as consumer:
            starts, ends = await consumer.beginning_offsets([where]), await consumer.end_offsets([where])
        return starts[where], ends[where]

    async def offset_at(self, topic: str, partition: int, timestamp: int) -> int | None:
        where = TopicPartition(topic, partition)
        async with self._consumer() as consumer:
            found = (await consumer.offsets_for_times({where: timestamp}))[where]
        return None if found is None else found.offset

    async def commit(self, group: str, topic: str, partition: int, offset: int, metadata: str = "") -> None:
        where = TopicPartition(topic, partition)
        async with self._consumer(group_id=group) as consumer:
            consumer.assign([where])
            await consumer.commit({where: OffsetAndMetadata(offset, metadata)})

    async def committed(self, group: str, topic: str, partition: int) -> int | None:
        where = TopicPartition(topic, partition)
        async with self._consumer(group_id=group) as consumer:
            consumer.assign([where])
            return await consumer.committed(where)

    async def groups(self) -> list[str]:
        async with self._admin() as admin:
            return [name for name, _ in await admin.list_consumer_groups()]

    async def group(self, name: str) -> tuple[str, int]:
        async with self._admin() as admin:
            answers = await admin.describe_consumer_groups([name])
        _, _, state, _, _, members, *_ = answers[0].groups[0]
        return state, len(members)

    async def delete_group(self, name: str) -> None:
        async with self._admin() as admin:
            node = await admin.find_coordinator(name)
            answer = await admin._send_request_to_node(node, DeleteGroupsRequest([name]))
        _check(answer.results[0][1])

    async def read_as_member(self, group: str, topic: str, count: int) -> list[Record]:
        async with self._consumer(topic, group_id=group, auto_offset_reset="earliest") as consumer:
            records = await _take(consumer, count)
            await consumer.commit()
        return records

    def _admin(self):
        return _running(AIOKafkaAdminClient(bootstrap_servers=self._bootstrap))

    def _consumer(self, *topics: str, **options: object):
        consumer = AIOKafkaConsumer(*topics, bootstrap_servers=self._bootstrap, enable_auto_commit=False, **options)
        return _running(consumer)


@asynccontextmanager
async def _running(client) -> AsyncIterator:
    await client.start()
    try:
        yield client
    except KafkaError as error:
        code = UNKNOWN_MEMBER if isinstance(error, CommitFailedError) else getattr(error, "errno", None)
        if code is None:
            raise
        raise Refused(code) from error
    finally:
        await (client.close() if hasattr(client, "close") else client.stop())


async def _take(consumer: AIOKafkaConsumer, count: int) -> list[Record]:
    records: list[Record] = []
    async with asyncio.timeout(TIMEOUT_S):
        while len(records) < count:
            record = await consumer.getone()
            records.append(Record(record.value, record.key, record.partition, record.timestamp, tuple(record.headers)))
    return records


def _check(code: int) -> None:
    if code:
        raise Refused(code)
