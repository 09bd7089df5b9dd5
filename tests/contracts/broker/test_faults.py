"""What survives kill -9, and what a connection may send."""

from __future__ import annotations

import asyncio
import os
import struct

import pytest

from tests.contracts.broker.client import Record

API_VERSIONS, UNKNOWN_API, UNSUPPORTED_VERSION = 18, 999, 35
NO_TAGS = b"\0"


async def test_acknowledged_records_and_committed_offsets_survive_kill_9(client, broker, name):
    await client.create_topic(name, 2, {"retention.ms": "3600000000"})
    sent = [Record(b"%d" % i) for i in range(500)]
    await client.produce(name, sent, idempotent=True)
    await client.commit(name, name, 0, 321)
    broker.kill()
    broker.start()
    assert await client.fetch(name, 0, 0, 500) == sent
    assert await client.committed(name, name, 0) == 321
    assert (await client.config(name))["retention.ms"] == "3600000000"
    assert await client.produce(name, [Record(b"after")], idempotent=True) == [500]


async def test_an_unknown_version_of_api_versions_is_answered_in_version_0(broker):
    reader, writer = await _connect(broker)
    writer.write(_request(API_VERSIONS, 99, 7, NO_TAGS + b"whatever its body may be"))
    (length,) = struct.unpack(">i", await reader.readexactly(4))
    correlation_id, code, count = struct.unpack_from(">ihi", body := await reader.readexactly(length))
    known = {struct.unpack_from(">hhh", body, 10 + 6 * index)[0] for index in range(count)}
    assert (correlation_id, code) == (7, UNSUPPORTED_VERSION)
    assert API_VERSIONS in known
    writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", id="http"),
        pytest.param(struct.pack(">i", -5), id="negative length"),
        pytest.param(struct.pack(">i", 2**31 - 1) + b"x" * 1000, id="length of 2 GB"),
        pytest.param(struct.pack(">ihhi", 8, UNKNOWN_API, 0, 1), id="unknown request"),
        pytest.param(struct.pack(">ihhih", 10, 3, 77, 1, -1), id="unknown version"),
        pytest.param(struct.pack(">ihhihi", 14, 3, 1, 1, -1, 2**31 - 1), id="array of 2 billion topics"),
        pytest.param(struct.pack(">i", 64) + b"\0\0\0\3" + b"\xff" * 60, id="a produce request of noise"),
    ],
)
async def test_a_bad_request_ends_its_own_connection_only(broker, sent):
    neighbour_reader, neighbour = await _connect(broker)
    reader, writer = await _connect(broker)
    writer.write(sent)
    assert await asyncio.wait_for(reader.read(), 10) == b""
    neighbour.write(_request(API_VERSIONS, 0, 1))
    assert len(await neighbour_reader.readexactly(14)) == 14
    neighbour.close()


async def test_noise_does_no_harm(broker):
    for _ in range(20):
        _, writer = await _connect(broker)
        writer.write(os.urandom(500))
        writer.close()
    reader, writer = await _connect(broker)
    writer.write(_request(API_VERSIONS, 0, 1))
    assert len(await reader.readexactly(14)) == 14
    writer.close()


async def test_requests_on_one_connection_are_answered_in_order(broker):
    reader, writer = await _connect(broker)
    writer.write(b"".join(_request(API_VERSIONS, 0, index) for index in range(50)))
    for index in range(50):
        (length,) = struct.unpack(">i", await reader.readexactly(4))
        assert struct.unpack_from(">i", await reader.readexactly(length))[0] == index
    writer.close()


async def _connect(broker) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = broker.bootstrap_servers.partition(":")
    return await asyncio.open_connection(host, int(port))


def _request(key: int, version: int, correlation_id: int, rest: bytes = b"") -> bytes:
    head = struct.pack(">hhih", key, version, correlation_id, -1)
    return struct.pack(">i", len(head + rest)) + head + rest
