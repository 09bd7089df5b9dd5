"""A range of some topics, read beside the workers: no consumer group, nothing committed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from schemas.errors import ConfigError, Unavailable
from schemas.settings import KafkaSettings
from streams.kafka.app import group_of
from streams.kafka.connection import client_options, why_no_answer
from streams.kafka.inflation import bounded, inflated_bytes
from streams.kafka.stopping import stop
from streams.kafka.topics import partitions_of

FETCH_MS = 1000
FETCH_BYTES = 8 * 2**20
ONE_RECORD_S = 10.0

Place = tuple[str, int]
"""(topic without prefix, partition)"""


@dataclass(frozen=True, slots=True)
class Extent:
    """Offsets of one partition: where the log begins, where the range begins, and where the log ended when opened."""

    earliest: int
    begin: int
    end: int


@dataclass
class LogRange:
    """Records of `topics` whose timestamps are in [start, end), up to the ends of the logs as they are when it is opened.

    Timestamps are the producers' and need not rise: the offsets from the first record of the range on are read, and those
    outside it left out.

    Raises (by every method)
    ------------------------
    ConfigError : there is no such topic, or the broker refuses us.
    Unavailable : no broker answers.
    """

    kafka: KafkaSettings
    topics: Sequence[str]
    start: datetime | None = None
    end: datetime | None = None
    extents: dict[Place, Extent] = field(default_factory=dict)
    committed: dict[Place, int] = field(default_factory=dict)
    """How far the groups of `readers` have come; taken before the ends of the logs."""
    open_ended: Collection[str] = ()
    """Topics that are read to their ends, whatever `end` says."""
    readers: Mapping[str, str] = field(default_factory=dict)
    """The component that reads a topic."""

    async def __aenter__(self) -> Self:
        options = client_options(self.kafka)
        self._consumer = reader(self.kafka, fetch_max_bytes=FETCH_BYTES, max_partition_fetch_bytes=FETCH_BYTES)
        admin = AIOKafkaAdminClient(**options)
        try:
            await self._consumer.start()
            await admin.start()
            await self._measure(admin)
        except KafkaError as error:
            await stop(self._consumer)
            raise await why_no_answer(self.kafka, error) from error
        except BaseException:
            await stop(self._consumer)
            raise
        finally:
            await admin.close()
        return self

    async def __aexit__(self, *_: object) -> None:
        await stop(self._consumer)

    def size(self, topic: str) -> int:
        """Offsets to go through; markers and gaps of the log included."""
        return sum(extent.end - extent.begin for (name, _), extent in self.extents.items() if name == topic)

    async def read(self, topic: str, advance: Callable[[int], None] = lambda _: None) -> AsyncIterator[list[Any]]:
        """Batches of raw records, each in log order; `advance` is told how many offsets were passed."""
        ways = {
            TopicPartition(self.kafka.topic_prefix + topic, partition): extent
            for (name, partition), extent in self.extents.items()
            if name == topic and extent.begin < extent.end
        }
        try:
            async for batch in self._read(ways, None if topic in self.open_ended else self.end, advance):
                yield batch
        except KafkaError as error:
            raise await why_no_answer(self.kafka, error) from error

    async def _read(
        self, ways: Mapping[TopicPartition, Extent], end: datetime | None, advance: Callable[[int], None]
    ) -> AsyncIterator[list[Any]]:
        consumer = self._consumer
        consumer.assign(list(ways))
        passed = {tp: extent.begin for tp, extent in ways.items()}
        for tp, begin in passed.items():
            consumer.seek(tp, begin)
        left = set(ways)
        while left:
            fetched = await consumer.getmany(*left, timeout_ms=FETCH_MS)
            for tp, records in fetched.items():
                inside = [
                    record for record in records if record.offset < ways[tp].end and _is_in(record, self.start, end)
                ]
                if inside:
                    yield inside
            for tp in list(left):
                position = min(await consumer.position(tp), ways[tp].end)
                advance(position - passed[tp])
                passed[tp] = position
                if position >= ways[tp].end:
                    left.discard(tp)
                    consumer.pause(tp)

    async def _measure(self, admin: AIOKafkaAdminClient) -> None:
        prefix, consumer = self.kafka.topic_prefix, self._consumer
        found = await partitions_of(admin, [prefix + topic for topic in self.topics])
        for name, partitions in found.items():
            if not partitions:
                raise ConfigError(f"there is no topic {name}")
        everywhere = [tp for partitions in found.values() for tp in partitions]
        for topic in self.topics:
            if topic in self.readers:
                group = group_of(self.readers[topic], self.kafka)
                held = await admin.list_consumer_group_offsets(group, partitions=found[prefix + topic])
                self.committed.update({(topic, tp.partition): max(at.offset, 0) for tp, at in held.items()})
        earliest = await consumer.beginning_offsets(everywhere)
        ends = await consumer.end_offsets(everywhere)
        begins: Mapping[TopicPartition, Any] = {}
        if self.start is not None:
            begins = await consumer.offsets_for_times(dict.fromkeys(everywhere, _ms(self.start)))
        for tp in everywhere:
            begin = earliest[tp]
            if self.start is not None:
                begin = ends[tp] if begins.get(tp) is None else begins[tp].offset
            self.extents[tp.topic.removeprefix(prefix), tp.partition] = Extent(earliest[tp], begin, ends[tp])


def _is_in(record: Any, start: datetime | None, end: datetime | None) -> bool:
    return (start is None or record.timestamp >= _ms(start)) and (end is None or record.timestamp < _ms(end))


def reader(kafka: KafkaSettings, **options: Any) -> AIOKafkaConsumer:
    """A consumer without a group, of committed records."""
    consumer = AIOKafkaConsumer(
        **client_options(kafka), enable_auto_commit=False, isolation_level="read_committed", **options
    )
    return bounded(consumer, inflated_bytes(kafka))


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


async def record_at(kafka: KafkaSettings, topic: str, partition: int, offset: int) -> Any:
    """The record at an offset; None when the log holds none there: not yet, not any more, or a marker.

    Raises
    ------
    Unavailable : no broker answers, or not in time.
    """
    tp = TopicPartition(kafka.topic_prefix + topic, partition)
    consumer = reader(kafka)
    try:
        await consumer.start()
        consumer.assign([tp])
        earliest, end = (await consumer.beginning_offsets([tp]))[tp], (await consumer.end_offsets([tp]))[tp]
        if not earliest <= offset < end:
            return None
        consumer.seek(tp, offset)
        async with asyncio.timeout(ONE_RECORD_S):
            while await consumer.position(tp) <= offset:
                for record in (await consumer.getmany(tp, timeout_ms=FETCH_MS, max_records=1)).get(tp, ()):
                    return record if record.offset == offset else None
        return None
    except TimeoutError as error:
        raise Unavailable(f"the broker does not show {tp.topic}-{partition}@{offset}") from error
    except KafkaError as error:
        raise await why_no_answer(kafka, error) from error
    finally:
        await stop(consumer)
