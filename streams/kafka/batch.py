"""What a component works on: the records of one partition that were fetched together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True, eq=False)
class Batch:
    """Records of one partition in log order, acknowledged together.

    `event` is kept until the acknowledgement; `records` may be dropped earlier to free memory. `end` is the offset
    behind the newest record of the partition, as known when the batch was fetched; `seeks` counts how often the partition
    had been moved by then.
    """

    topic: str
    partition: int
    generation: int
    end: int
    records: Sequence[Any]
    event: Any
    seeks: int = 0
    open: int = 0

    @property
    def place(self) -> tuple[str, int]:
        return self.topic, self.partition

    @property
    def first_offset(self) -> int:
        return self.records[0].offset

    @property
    def next_offset(self) -> int:
        return self.event.message.offset + 1

    @property
    def is_last(self) -> bool:
        """Whether this was the end of the log when it was fetched."""
        return self.next_offset >= self.end

    def forget_records(self) -> None:
        """Free the raw records once they are decoded; positions stay."""
        self.records = ()
        self.event.message.value = None

    def ack(self) -> None:
        """Everything that came of these records is durable: the commit may pass them."""
        self.event.ack()


@dataclass(slots=True, eq=False)
class AtRest(Batch):
    """A partition at whose end nothing comes: the position of its reader, in place of records."""

    position: int = 0

    @property
    def first_offset(self) -> int:
        return self.position

    @property
    def next_offset(self) -> int:
        return self.position


async def sleep_until(event: asyncio.Event, seconds: float) -> bool:
    """Wait for `event`, at most `seconds`; whether it came."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
