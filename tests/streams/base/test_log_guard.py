"""A log that is not the one that was read before: made again, ahead of the warehouse, cut by retention."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.errors import NoError, TopicAlreadyExistsError
from aiokafka.structs import TopicPartition

from schemas.ids import Hasher
from schemas.settings import KafkaSettings, Settings, SourceMap, Topics
from sinks.warehouse import Position, Warehouse
from streams.base.context import Context
from streams.base.log_guard import LogGuard
from streams.base.progress import Progress
from streams.kafka.app import build_app
from streams.kafka.batch import Batch
from tests.brokers import RunningBroker

DEADLINE_S = 120
MADE = (NoError.errno, TopicAlreadyExistsError.errno)
"""By us, or by a broker that makes topics which a consumer asks for: it came between the deletion and us."""


class Log:
    """A topic of one partition, and what is done to it."""

    def __init__(self, broker: RunningBroker) -> None:
        self.servers = broker.bootstrap_servers
        self.prefix = f"guard-{uuid4().hex[:8]}-"
        self.topic = self.prefix + Topics.TRACES
        self.written = 0

    async def make(self) -> None:
        async with _Admin(self.servers) as admin:
            await admin.create_topics([NewTopic(self.topic, 1, 1)])

    async def delete(self) -> None:
        async with _Admin(self.servers) as admin:
            await admin.delete_topics([self.topic])
            while self.topic in await admin.list_topics():  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    async def make_again(self) -> None:
        """In one moment: a consumer need not see that it was away."""
        async with _Admin(self.servers) as admin:
            await admin.delete_topics([self.topic])
            while (await admin.create_topics([NewTopic(self.topic, 1, 1)])).topic_errors[0][1] not in MADE:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def cut(self, before: int) -> None:
        """What retention does."""
        async with _Admin(self.servers) as admin:
            await admin.delete_records({TopicPartition(self.topic, 0): RecordsToDelete(before)})

    async def write(self, count: int) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.servers)
        await producer.start()
        for _ in range(count):
            self.written += 1
            await producer.send_and_wait(self.topic, b"%d" % self.written, partition=0)
        await producer.stop()


class _Admin:
    def __init__(self, servers: str) -> None:
        self._admin = AIOKafkaAdminClient(bootstrap_servers=servers)

    async def __aenter__(self) -> AIOKafkaAdminClient:
        await self._admin.start()
        return self._admin

    async def __aexit__(self, *_: object) -> None:
        await self._admin.close()


class Reader:
    """A component that stores its position with what it has seen, as (epoch, offset)."""

    def __init__(self, log: Log, warehouse: Warehouse) -> None:
        kafka = KafkaSettings(
            bootstrap_servers=log.servers, topic_prefix=log.prefix, batch_records=4, session_timeout_s=6
        )
        nothing: Any = None
        context = Context(
            Settings(kafka=kafka),
            SourceMap("", None),
            warehouse,
            nothing,
            Hasher(b""),
            nothing,
            {},
            generation=lambda: self._app.consumer_generation_id,
        )
        self._warehouse, self.seen = warehouse, list[tuple[int, int]]()
        self.measured, self.cuts = list[int](), list[list[int]]()
        self._guard, self._progress = LogGuard("guarded", context), Progress(log.prefix)
        self._app = build_app("guarded", kafka, {Topics.TRACES: self._receive})
        self._guard.attach(self._app)
        self._progress.attach(self._app)

    async def _receive(self, batch: Batch) -> None:
        self._progress.note(batch)
        if await self._guard.admits(batch):
            for part in self._guard.parts(batch):
                self.cuts.append([record.offset for record in part.records])
                if not self._guard.was_measured(part.place, part.first_offset):
                    self.measured += self.cuts[-1]
            epoch = self._guard.epoch(batch)
            self.seen += [(epoch, record.offset) for record in batch.records]
            position = self._guard.position(batch, batch.records[-1])
            await asyncio.to_thread(self._warehouse.write_decisions, [], [position])
            batch.ack()

    async def read(self, done: Callable[[list[tuple[int, int]]], bool]) -> list[tuple[int, int]]:
        """Run until `done`, then until everything is committed."""
        await self._app.start()
        try:
            deadline = time.monotonic() + DEADLINE_S
            while not done(self.seen) and time.monotonic() < deadline:
                await asyncio.sleep(0.05)
                await self._guard.look(self._progress)
            await asyncio.sleep(1.0)
        finally:
            await self._app.stop()
        return self.seen


@pytest.fixture
async def log(broker: RunningBroker) -> Log:
    found = Log(broker)
    await found.make()
    return found


def offsets(seen: list[tuple[int, int]]) -> list[int]:
    return [offset for _, offset in seen]


async def test_a_usual_restart_goes_on_where_it_was(log: Log, sqlite_warehouse: Warehouse) -> None:
    await log.write(10)
    assert offsets(await Reader(log, sqlite_warehouse).read(lambda seen: len(seen) >= 10)) == list(range(10))
    await log.write(3)
    assert await Reader(log, sqlite_warehouse).read(lambda seen: len(seen) >= 3) == [(0, 10), (0, 11), (0, 12)]
    assert _gaps(sqlite_warehouse) == []


@pytest.mark.parametrize(("before", "after"), [(10, 3), (6, 9)])
async def test_a_topic_made_again_is_a_new_epoch(
    log: Log, sqlite_warehouse: Warehouse, before: int, after: int
) -> None:
    """Shorter than what was read; or longer, when it is known by the record before the stored offset."""
    await log.write(before)
    await Reader(log, sqlite_warehouse).read(lambda seen: len(seen) >= before)
    await log.delete()
    await log.make()
    await log.write(after)
    seen = await Reader(log, sqlite_warehouse).read(lambda seen: len(seen) >= after)
    assert seen == [(1, offset) for offset in range(after)]
    [position] = sqlite_warehouse.positions("guarded").values()
    assert (position.epoch, position.next_offset) == (1, after)
    await log.write(1)
    assert await Reader(log, sqlite_warehouse).read(lambda seen: len(seen) >= 1) == [(1, after)]


async def test_a_topic_made_again_under_a_reader_is_a_new_epoch(log: Log, sqlite_warehouse: Warehouse) -> None:
    """Nobody need join or leave the group: the reader sees that offsets come again."""
    await log.write(6)
    reader = Reader(log, sqlite_warehouse)
    running = asyncio.create_task(reader.read(lambda seen: len(seen) >= 9))
    while len(reader.seen) < 6 and not running.done():  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    await log.make_again()
    await log.write(3)
    assert await running == [*((0, offset) for offset in range(6)), *((1, offset) for offset in range(3))]
    await log.write(1)
    assert await Reader(log, sqlite_warehouse).read(lambda seen: (1, 3) in seen) == [(1, 3)], "the commit went back too"


async def test_a_new_warehouse_is_filled_from_the_beginning(log: Log, sqlite_warehouse: Warehouse) -> None:
    """There is a commit, and the warehouse knows of nothing: it was lost, or restored from before the first record."""
    await log.write(7)
    await Reader(log, sqlite_warehouse).read(lambda seen: len(seen) >= 7)
    with sqlite_warehouse.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM positions")
    await log.write(1)
    reader = Reader(log, sqlite_warehouse)
    assert await reader.read(lambda seen: len(seen) >= 8) == [(0, offset) for offset in range(8)]
    assert reader.measured == [7]


async def test_a_commit_ahead_of_the_warehouse_is_read_again(log: Log, sqlite_warehouse: Warehouse) -> None:
    """The warehouse was restored from a copy that is older than the group's commit."""
    await log.write(4)
    await Reader(log, sqlite_warehouse).read(lambda seen: len(seen) >= 4)
    [copied] = sqlite_warehouse.positions("guarded").values()
    await log.write(6)
    await Reader(log, sqlite_warehouse).read(lambda seen: len(seen) >= 6)
    _put_back(sqlite_warehouse, copied)
    await log.write(2)
    reader = Reader(log, sqlite_warehouse)
    assert await reader.read(lambda seen: len(seen) >= 8) == [(0, offset) for offset in range(4, 12)]
    assert reader.measured == [10, 11], "the rest was measured before"
    assert not any(9 in cut and 10 in cut for cut in reader.cuts), "and is not worked on together with it"
    assert _gaps(sqlite_warehouse) == []


async def test_what_is_behind_a_restored_warehouse_is_read_though_nothing_new_comes(
    log: Log, sqlite_warehouse: Warehouse
) -> None:
    await log.write(4)
    await Reader(log, sqlite_warehouse).read(lambda seen: len(seen) >= 4)
    [copied] = sqlite_warehouse.positions("guarded").values()
    await log.write(6)
    await Reader(log, sqlite_warehouse).read(lambda seen: len(seen) >= 6)
    _put_back(sqlite_warehouse, copied)
    reader = Reader(log, sqlite_warehouse)
    assert await reader.read(lambda seen: len(seen) >= 6) == [(0, offset) for offset in range(4, 10)]
    assert reader.measured == []
    await log.write(1)
    again = Reader(log, sqlite_warehouse)
    assert await again.read(lambda seen: len(seen) >= 1) == [(0, 10)] and again.measured == [10]


async def test_what_retention_took_is_a_gap_on_record(log: Log, sqlite_warehouse: Warehouse) -> None:
    await log.write(5)
    await Reader(log, sqlite_warehouse).read(lambda seen: len(seen) >= 5)
    await log.write(10)
    await log.cut(before=12)
    seen = await Reader(log, sqlite_warehouse).read(lambda seen: len(seen) >= 3)
    assert seen == [(0, 12), (0, 13), (0, 14)]
    assert _gaps(sqlite_warehouse) == [("guarded", Topics.TRACES, 0, 0, 5, 12, "retention")]


def _put_back(warehouse: Warehouse, copied: Position) -> None:
    """What is left of what was read when an older copy takes the warehouse's place."""
    with warehouse.database.write() as connection:
        connection.exec_driver_sql(
            f"UPDATE positions SET next_offset = {copied.next_offset}, digest = '{copied.digest}'"
        )


def _gaps(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    sql = 'SELECT component, topic, "partition", epoch, from_offset, to_offset, reason FROM gaps'
    return [tuple(row) for row in warehouse.query(sql).rows]
