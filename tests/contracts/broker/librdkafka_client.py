"""The suite's client on librdkafka (confluent-kafka), which blocks: every call runs in a thread."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import (
    OFFSET_INVALID,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from tests.contracts.broker.client import Record, Refused

MAX_RECORD_BYTES = 16 << 20
TIMEOUT_S = 60


def in_thread(method: Callable) -> Callable:
    """Make a blocking method awaitable, and its Kafka errors `Refused`."""

    @functools.wraps(method)
    async def awaitable(*arguments, **options):
        try:
            return await asyncio.to_thread(method, *arguments, **options)
        except KafkaException as error:
            raise Refused(error.args[0].code()) from error

    return awaitable


class LibrdkafkaClient:
    """See `Client`."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._settings = {"bootstrap.servers": bootstrap_servers, "log_level": 0}
        self._admin = AdminClient(self._settings)

    @in_thread
    def create_topic(self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> None:
        _result(self._admin.create_topics([NewTopic(name, partitions, 1, config=dict(config or {}))]))

    @in_thread
    def create_partitions(self, topic: str, total: int) -> None:
        _result(self._admin.create_partitions([NewPartitions(topic, total)]))

    @in_thread
    def delete_topic(self, name: str) -> None:
        _result(self._admin.delete_topics([name]))

    @in_thread
    def topics(self) -> dict[str, int]:
        found = self._admin.list_topics(timeout=TIMEOUT_S).topics
        return {name: len(topic.partitions) for name, topic in found.items()}

    @in_thread
    def config(self, topic: str) -> dict[str, str]:
        entries = _result(self._admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]))
        return {name: entry.value for name, entry in entries.items()}

    @in_thread
    def set_config(self, topic: str, name: str, value: str) -> None:
        entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        _result(self._admin.incremental_alter_configs([resource]))

    @in_thread
    def delete_records(self, topic: str, partition: int, before: int) -> None:
        _result(self._admin.delete_records([TopicPartition(topic, partition, before)]))

    @in_thread
    def produce(
        self, topic: str, records: Sequence[Record], *, compression: str | None = None, idempotent: bool = False
    ) -> list[int]:
        options = {"compression.type": compression or "none", "enable.idempotence": idempotent, "linger.ms": 5}
        producer = Producer({**self._settings, **options, "message.max.bytes": MAX_RECORD_BYTES})
        results: dict[int, tuple[KafkaError | None, int]] = {}
        for index, record in enumerate(records):
            producer.produce(
                topic,
                record.value,
                record.key,
                record.partition,
                timestamp=record.timestamp,
                headers=list(record.headers),
                on_delivery=lambda error, message, index=index: results.update({index: (error, message.offset())}),
            )
        producer.flush(TIMEOUT_S)
        failed = [error for error, _ in results.values() if error]
        if failed:
            raise KafkaException(failed[0])
        return [results[index][1] for index in range(len(records))]

    @in_thread
    def fetch(
        self,
        topic: str,
        partition: int,
        offset: int,
        count: int,
        *,
        committed_only: bool = False,
        max_bytes: int = 1 << 20,
    ) -> list[Record]:
        consumer = self._consumer(
            **{
                "auto.offset.reset": "error",
                "isolation.level": "read_committed" if committed_only else "read_uncommitted",
                "max.partition.fetch.bytes": max_bytes,
                "fetch.max.bytes": max(max_bytes, 1000),
                "message.max.bytes": min(max_bytes, 1000),
            }
        )
        consumer.assign([TopicPartition(topic, partition, offset)])
        return _take(consumer, count)

    @in_thread
    def offsets(self, topic: str, partition: int) -> tuple[int, int]:
        return _closing(self._consumer(), lambda it: it.get_watermark_offsets(TopicPartition(topic, partition)))

    @in_thread
    def offset_at(self, topic: str, partition: int, timestamp: int) -> int | None:
        asked = [TopicPartition(topic, partition, timestamp)]
        found = _closing(self._consumer(), lambda it: it.offsets_for_times(asked, timeout=TIMEOUT_S))[0].offset
        return None if found == -1 else found

    @in_thread
    def commit(self, group: str, topic: str, partition: int, offset: int, metadata: str = "") -> None:
        position = TopicPartition(topic, partition, offset, metadata)
        asked = [ConsumerGroupTopicPartitions(group, [position])]
        error = _result(self._admin.alter_consumer_group_offsets(asked)).topic_partitions[0].error
        if error:
            raise KafkaException(error)

    @in_thread
    def committed(self, group: str, topic: str, partition: int) -> int | None:
        consumer = self._consumer(**{"group.id": group})
        found = _closing(consumer, lambda it: it.committed([TopicPartition(topic, partition)], TIMEOUT_S))[0].offset
        return None if found == OFFSET_INVALID else found

    @in_thread
    def groups(self) -> list[str]:
        return [each.group_id for each in self._admin.list_consumer_groups().result(TIMEOUT_S).valid]

    @in_thread
    def group(self, name: str) -> tuple[str, int]:
        found = _result(self._admin.describe_consumer_groups([name]))
        words = found.state.name.split("_")
        return "".join(word.capitalize() for word in words), len(found.members)

    @in_thread
    def delete_group(self, name: str) -> None:
        _result(self._admin.delete_consumer_groups([name]))

    @in_thread
    def read_as_member(self, group: str, topic: str, count: int) -> list[Record]:
        consumer = self._consumer(**{"group.id": group, "auto.offset.reset": "earliest"})
        consumer.subscribe([topic])
        return _take(consumer, count, then=lambda: consumer.commit(asynchronous=False))

    def _consumer(self, **options: object) -> Consumer:
        fixed = {"group.id": "unused", "enable.auto.commit": False, "topic.metadata.refresh.interval.ms": 500}
        return Consumer({**self._settings, **fixed, **options})


def _result(futures: Mapping):
    (future,) = futures.values()
    return future.result(TIMEOUT_S)


def _closing(consumer: Consumer, ask: Callable[[Consumer], object]):
    try:
        return ask(consumer)
    finally:
        consumer.close()


def _take(consumer: Consumer, count: int, then: Callable[[], object] = lambda: None) -> list[Record]:
    deadline = time.monotonic() + TIMEOUT_S
    records: list[Record] = []
    try:
        while len(records) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(records)} of {count} records came")
            message = consumer.poll(0.2)
            if message is None:
                continue
            if message.error():
                raise KafkaException(message.error())
            headers: tuple = tuple(message.headers() or ())
            records.append(Record(message.value(), message.key(), message.partition(), message.timestamp()[1], headers))
        then()
    finally:
        consumer.close()
    return records
