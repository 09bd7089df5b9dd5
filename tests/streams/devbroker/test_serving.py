"""Serving clients: limits, retention over the wire, waiting, and clients that go away."""

from __future__ import annotations

import asyncio
import struct

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.devbroker import DevBroker, DevBrokerSettings
from streams.devbroker.wire import MAX_REQUEST_BYTES, MAX_SMALL_REQUEST_BYTES
from tests.contracts.broker.aiokafka_client import AiokafkaClient
from tests.contracts.broker.client import Record
from tests.contracts.broker.eventually import eventually

METADATA, API_VERSIONS = 3, 18


async def connect(broker: DevBroker) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = broker.bootstrap_servers.partition(":")
    return await asyncio.open_connection(host, int(port))


def request(key: int, version: int, body: bytes) -> bytes:
    head = struct.pack(">hhih", key, version, 1, -1)
    return struct.pack(">i", len(head + body)) + head + body


def fetch_request(wait_ms: int) -> bytes:
    """Version 4, of partition 0 of ``topic`` from offset 0 on."""
    limits = struct.pack(">iiiib", -1, wait_ms, 1, 1 << 30, 0)
    return request(1, 4, limits + struct.pack(">ih", 1, 5) + b"topic" + struct.pack(">iiqi", 1, 0, 0, 1 << 30))


async def test_requests_that_are_too_large_are_hung_up_on(embedded):
    reader, writer = await connect(embedded)
    writer.write(struct.pack(">i", MAX_REQUEST_BYTES + 1))
    assert await reader.read() == b""
    reader, writer = await connect(embedded)
    writer.write(request(METADATA, 1, b"\0" * MAX_SMALL_REQUEST_BYTES))
    assert await reader.read() == b""
    assert await AiokafkaClient(embedded.bootstrap_servers).topics() == {}


async def test_a_request_that_comes_byte_by_byte_is_answered(embedded):
    reader, writer = await connect(embedded)
    for byte in request(API_VERSIONS, 0, b""):
        writer.write(bytes([byte]))
        await asyncio.sleep(0.001)
    assert struct.unpack_from(">i", await reader.readexactly(8), 4) == (1,)
    writer.close()


async def test_a_client_that_reads_nothing_does_not_fill_the_memory(embedded):
    client = AiokafkaClient(embedded.bootstrap_servers)
    await client.create_topic("topic")
    await client.produce("topic", [Record(b"x" * 900_000) for _ in range(5)])
    _, writer = await connect(embedded)
    writer.write(fetch_request(wait_ms=0) * 200)  # answers of 800 MB in all
    await asyncio.sleep(0.5)
    (connection,) = [each for each in embedded._connections if each._backlog]
    assert connection._transport.get_write_buffer_size() < 10_000_000
    writer.close()
    assert (await client.offsets("topic", 0)) == (0, 5)


@pytest.mark.parametrize("auto_create", [True, False])
async def test_topics_are_created_by_asking_for_them_when_that_is_wanted(tmp_path, auto_create):
    async with DevBroker(tmp_path, settings=DevBrokerSettings(auto_create_topics=auto_create)) as broker:
        reader, writer = await connect(broker)
        writer.write(request(METADATA, 1, struct.pack(">ih", 1, 5) + b"topic"))
        await reader.readexactly(4)
        writer.close()
        assert await AiokafkaClient(broker.bootstrap_servers).topics() == ({"topic": 4} if auto_create else {})


async def test_a_reader_that_was_overtaken_by_retention_starts_again_at_the_new_start(tmp_path):
    settings = DevBrokerSettings(retention_check_s=0.1, segment_bytes=20_000, retention_bytes=50_000)
    async with DevBroker(tmp_path, settings=settings) as broker:
        client = AiokafkaClient(broker.bootstrap_servers)
        await client.create_topic("topic")
        for _ in range(20):
            await client.produce("topic", [Record(b"x" * 9_000)])
        start, end = await eventually(lambda: client.offsets("topic", 0), lambda offsets: offsets[0] > 0)
        assert end == 20
        async with AIOKafkaConsumer(bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest") as reader:
            where = TopicPartition("topic", 0)
            reader.assign([where])
            reader.seek(where, 0)
            assert (await asyncio.wait_for(reader.getone(), 10)).offset == start


async def test_a_waiting_reader_gets_each_record_when_it_comes(embedded):
    options = {"bootstrap_servers": embedded.bootstrap_servers}
    async with (
        AIOKafkaConsumer("topic", **options, fetch_max_wait_ms=20_000) as reader,
        AIOKafkaProducer(**options) as writer,
    ):
        for number in range(20):
            got = asyncio.create_task(reader.getone())
            await asyncio.sleep(0.01)
            await writer.send_and_wait("topic", b"%d" % number, partition=number % 4)
            assert (await asyncio.wait_for(got, 5)).value == b"%d" % number


async def test_waiting_readers_that_go_away_leave_nothing_behind(embedded):
    client = AiokafkaClient(embedded.bootstrap_servers)
    await client.create_topic("topic")
    writers = [(await connect(embedded))[1] for _ in range(5)]
    for writer in writers:
        writer.write(fetch_request(wait_ms=60_000))
    await eventually(lambda: waiting(embedded), lambda count: count == 5)
    for writer in writers:
        writer.close()
    await eventually(lambda: waiting(embedded), lambda count: count == 0)
    await eventually(lambda: connected(embedded), lambda count: count == 0)


async def test_a_deleted_topic_ends_the_wait_for_it(embedded):
    client = AiokafkaClient(embedded.bootstrap_servers)
    await client.create_topic("topic")
    reader, writer = await connect(embedded)
    writer.write(fetch_request(wait_ms=60_000))
    await eventually(lambda: waiting(embedded), lambda count: count == 1)
    await client.delete_topic("topic")
    assert await asyncio.wait_for(reader.readexactly(4), 5)
    writer.close()


async def waiting(broker: DevBroker) -> int:
    return len(broker._broker.topics.get("topic").logs[0].waiters)


async def connected(broker: DevBroker) -> int:
    return len(broker._connections)


async def test_closing_with_clients_connected(tmp_path):
    broker = DevBroker(tmp_path)
    await broker.start()
    consumer = AIOKafkaConsumer("topic", bootstrap_servers=broker.bootstrap_servers, group_id="group")
    await consumer.start()
    await broker.close()
    await broker.close()
    async with DevBroker(tmp_path) as again:
        assert "topic" in await AiokafkaClient(again.bootstrap_servers).topics()
    await consumer.stop()
