"""Consumer groups: committed offsets, sharing, leaving, dying."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.brokers import ROOT, RunningBroker
from tests.contracts.broker.client import Record, Refused
from tests.contracts.broker.eventually import PATIENCE_S, eventually

UNKNOWN_MEMBER, NON_EMPTY_GROUP, GROUP_NOT_FOUND, METADATA_TOO_LARGE = 25, 68, 69, 12
SESSION_MS = 6_000


class Member:
    """A member in a process of its own; `partitions` are the last it was given."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.partitions: list[int] = []
        self._listening = asyncio.create_task(self._listen())

    async def has(self, count: int) -> list[int]:
        """Wait until it has so many partitions."""
        await eventually(self._told, lambda partitions: len(partitions) == count)
        return self.partitions

    async def leave(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await asyncio.wait_for(self._process.wait(), PATIENCE_S)

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._listening

    async def _told(self) -> list[int]:
        return self.partitions

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            self.partitions = json.loads(line)


@pytest.fixture
async def join(library: str, broker: RunningBroker) -> AsyncIterator[Callable[[str, str], Awaitable[Member]]]:
    """Start a member of (group, topic)."""
    members = []

    async def start(group: str, topic: str) -> Member:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.contracts.broker.member"),
            *(library, broker.bootstrap_servers, group, topic, str(SESSION_MS)),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        members.append(Member(process))
        return members[-1]

    yield start
    for member in members:
        await member.kill()


async def test_a_group_goes_on_where_it_stopped(client, name):
    await client.create_topic(name, 3)
    await client.produce(name, [Record(b"%d" % i, partition=i % 3) for i in range(30)])
    first = await client.read_as_member(name, name, 30)
    await client.produce(name, [Record(b"%d" % i, partition=i % 3) for i in range(30, 40)])
    second = await client.read_as_member(name, name, 10)
    assert sorted(int(record.value) for record in first) == list(range(30))
    assert sorted(int(record.value) for record in second) == list(range(30, 40))


async def test_committed_offsets(client, name):
    await client.create_topic(name, 2)
    assert await client.committed(name, name, 0) is None
    await client.commit(name, name, 0, 7)
    await client.commit(name, name, 0, 5)
    assert await client.committed(name, name, 0) == 5
    assert await client.committed(name, name, 1) is None
    with pytest.raises(Refused) as refused:
        await client.commit(name, name, 0, 9, metadata="x" * 4097)
    assert refused.value.code == METADATA_TOO_LARGE
    assert await client.committed(name, name, 0) == 5


async def test_members_share_leave_and_die(client, name, join):
    await client.create_topic(name, 4)
    first = await join(name, name)
    assert await first.has(4) == [0, 1, 2, 3]
    second = await join(name, name)
    assert sorted(await first.has(2) + await second.has(2)) == [0, 1, 2, 3]
    assert await client.group(name) == ("Stable", 2)

    await second.leave()
    assert await first.has(4) == [0, 1, 2, 3]

    third = await join(name, name)
    await third.has(2)
    await first.has(2)
    await third.kill()
    assert await client.group(name) == ("Stable", 2)  # nobody knows yet
    assert await first.has(4) == [0, 1, 2, 3]
    assert await client.group(name) == ("Stable", 1)


async def test_a_group_with_members_is_protected(client, name, join):
    await client.create_topic(name)
    member = await join(name, name)
    await member.has(1)
    assert name in await client.groups()
    with pytest.raises(Refused) as refused:
        await client.delete_group(name)
    assert refused.value.code == NON_EMPTY_GROUP
    with pytest.raises(Refused) as refused:
        await client.commit(name, name, 0, 1)
    assert refused.value.code == UNKNOWN_MEMBER


async def test_deleting_a_group(client, name):
    await client.create_topic(name)
    await client.commit(name, name, 0, 1)
    assert name in await client.groups()
    assert await client.group(name) == ("Empty", 0)
    await client.delete_group(name)
    assert await client.committed(name, name, 0) is None
    assert name not in await client.groups()
    with pytest.raises(Refused) as refused:
        await client.delete_group(name)
    assert refused.value.code == GROUP_NOT_FOUND
