"""What the conformance suite asks of a Kafka client. One file a library implements it; the tests know no library."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

NOW_MS = int(time.time() * 1000)  # records of long ago would be deleted: retention goes by their timestamps


class Refused(Exception):
    """The broker answered with an error code (https://kafka.apache.org/protocol#protocol_error_codes)."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"error code {code}")


class Record(NamedTuple):
    """A record, before it was sent or after."""

    value: bytes | None
    key: bytes | None = None
    partition: int = 0
    timestamp: int = NOW_MS
    headers: tuple[tuple[str, bytes], ...] = ()


class Client(Protocol):
    """Every method opens what it needs and closes it again. Broker errors are `Refused`."""

    def __init__(self, bootstrap_servers: str) -> None: ...

    async def create_topic(self, name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> None: ...
    async def create_partitions(self, topic: str, total: int) -> None: ...
    async def delete_topic(self, name: str) -> None: ...
    async def topics(self) -> dict[str, int]:
        """Number of partitions by topic."""
        ...

    async def config(self, topic: str) -> dict[str, str]: ...
    async def set_config(self, topic: str, name: str, value: str) -> None: ...
    async def delete_records(self, topic: str, partition: int, before: int) -> None: ...

    async def produce(
        self, topic: str, records: Sequence[Record], *, compression: str | None = None, idempotent: bool = False
    ) -> list[int]:
        """Send in order, wait for all acknowledgements, return the offsets."""
        ...

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
        """Read `count` records of a partition from `offset` on."""
        ...

    async def offsets(self, topic: str, partition: int) -> tuple[int, int]:
        """Start and end."""
        ...

    async def offset_at(self, topic: str, partition: int, timestamp: int) -> int | None: ...

    async def commit(self, group: str, topic: str, partition: int, offset: int, metadata: str = "") -> None:
        """Commit from outside the group."""
        ...

    async def committed(self, group: str, topic: str, partition: int) -> int | None: ...
    async def groups(self) -> list[str]: ...
    async def group(self, name: str) -> tuple[str, int]:
        """State and number of members."""
        ...

    async def delete_group(self, name: str) -> None: ...
    async def read_as_member(self, group: str, topic: str, count: int) -> list[Record]:
        """Join, read from the committed position (or the start), commit, leave."""
        ...
