"""Delivering what stands in the outbox, at least once, each destination for itself.

A notification is written in the transaction that raised it, and sent from here: a webhook that is down delays neither
detection nor the other destinations. Receivers know a repetition by its id.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from schemas.errors import EvalstreamError, Unavailable
from schemas.settings import DestinationSettings

from .warehouse import OutboxRow, Warehouse
from .webhook import Rejected, Webhooks

log = structlog.get_logger(__name__)

POLL_S = 0.5
ROWS_AT_ONCE = 100
FIRST_RETRY_S = 1.0
MAX_RETRY_S = 600.0

Publish = Callable[[str, bytes], Awaitable[None]]
Partitions = Callable[[], Sequence[int]]


class OutboxSender:
    """Sends the notifications of the partitions that a monitor holds.

    Parameters
    ----------
    publish : writes a body to a topic; raises `Unavailable` while the broker is away.
    """

    def __init__(self, warehouse: Warehouse, destinations: Sequence[DestinationSettings], publish: Publish) -> None:
        self._warehouse, self._publish = warehouse, publish
        self._destinations = {destination.name: destination for destination in destinations}
        self._webhooks = Webhooks()

    async def run(self, partitions: Partitions) -> None:
        """Deliver until cancelled."""
        try:
            while True:
                try:
                    sent = await self.deliver_due(partitions())
                except Unavailable as error:
                    log.warning("the outbox cannot be read", reason=str(error))
                    sent = 0
                await asyncio.sleep(0 if sent else POLL_S)
        finally:
            await self._webhooks.close()

    async def deliver_due(self, partitions: Sequence[int]) -> int:
        """Try everything that is due once; how many were settled."""
        if not partitions:
            return 0
        now = datetime.now(UTC)
        rows = await asyncio.to_thread(self._warehouse.outbox_due, partitions, now, ROWS_AT_ONCE)
        by_destination: dict[str, list[OutboxRow]] = {}
        for row in rows:
            by_destination.setdefault(row.destination, []).append(row)
        settled = await asyncio.gather(*(self._deliver_all(waiting) for waiting in by_destination.values()))
        return sum(settled)

    async def _deliver_all(self, rows: Sequence[OutboxRow]) -> int:
        """In order; after a failure the rest of the destination waits for the next round."""
        for number, row in enumerate(rows):
            try:
                await self._send(row)
            except EvalstreamError as error:
                await self._put_off(row, error)
                return number
            await asyncio.to_thread(self._warehouse.outbox_delivered, row.id, datetime.now(UTC))
        return len(rows)

    async def _send(self, row: OutboxRow) -> None:
        if row.kind == "topic":
            await self._publish(row.destination, row.body)
            return
        destination = self._destinations.get(row.destination)
        if destination is None:
            raise Rejected(f"no destination is called {row.destination!r} any more")
        await self._webhooks.send(destination, row.body, row.dedup_id)

    async def _put_off(self, row: OutboxRow, error: EvalstreamError) -> None:
        destination = self._destinations.get(row.destination)
        most = destination.max_attempts if destination else 1
        final = isinstance(error, Rejected) or (row.kind != "topic" and row.attempts + 1 >= most)
        wait = min(FIRST_RETRY_S * 2**row.attempts, MAX_RETRY_S) * random.uniform(0.8, 1.2)
        if isinstance(error, Unavailable):
            wait = max(wait, error.retry_after_s)
        log.warning("a notification was not delivered", destination=row.destination, final=final, reason=str(error))
        next_at = datetime.now(UTC) + timedelta(seconds=wait)
        await asyncio.to_thread(self._warehouse.outbox_failed, row.id, str(error)[:500], next_at, final=final)
