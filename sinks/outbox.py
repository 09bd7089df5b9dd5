"""Delivering what stands in the outbox, at least once, each destination for itself.

A notification is written in the transaction that raised it, and sent from here: a webhook that is down delays neither
detection nor the other destinations. Receivers know a repetition by its id.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

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
Destination = tuple[str, str]
"""(kind, name)"""


class OutboxSender:
    """Sends the notifications of the partitions that a monitor holds.

    Parameters
    ----------
    publish : writes a body to a topic; raises `Unavailable` while the broker is away.

    Attributes
    ----------
    attempts : by destination and outcome: ``delivered``, ``put_off``, ``given_up``.
    """

    def __init__(self, warehouse: Warehouse, destinations: Sequence[DestinationSettings], publish: Publish) -> None:
        self._warehouse, self._publish = warehouse, publish
        self._webhooks = Webhooks()
        self.attempts: Counter[tuple[str, str]] = Counter()
        self.use(destinations)

    def use(self, destinations: Sequence[DestinationSettings]) -> None:
        """Send to these from now on; what waits for another one is given up."""
        self._destinations = {destination.name: destination for destination in destinations}

    async def run(self, partitions: Partitions) -> None:
        """Deliver until cancelled."""
        tasks: dict[Destination, asyncio.Task[None]] = {}
        try:
            while True:
                tasks = {place: task for place, task in tasks.items() if not task.done()}
                for place, rows in (await self._due(partitions())).items():
                    if place not in tasks:
                        tasks[place] = asyncio.create_task(self._deliver_all(rows))
                if tasks:
                    await asyncio.wait(tasks.values(), timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)
                else:
                    await asyncio.sleep(POLL_S)
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
            await self._webhooks.close()

    async def _due(self, partitions: Sequence[int]) -> dict[Destination, list[OutboxRow]]:
        found: dict[Destination, list[OutboxRow]] = {}
        if not partitions:
            return found
        try:
            rows = await asyncio.to_thread(self._warehouse.outbox_due, partitions, datetime.now(UTC), ROWS_AT_ONCE)
        except Unavailable as error:
            log.warning("the outbox cannot be read", reason=str(error))
            return found
        for row in rows:
            found.setdefault((row.kind, row.destination), []).append(row)
        return found

    async def _deliver_all(self, rows: Sequence[OutboxRow]) -> None:
        """In order; what fails holds back the rest until its next attempt, or is given up."""
        try:
            for row in rows:
                if not await self._deliver(row):
                    return
        except Exception:  # a bug of ours must not become a loop that hammers the receiver
            log.exception("delivering failed", destination=rows[0].destination)
            await asyncio.sleep(FIRST_RETRY_S)

    async def _deliver(self, row: OutboxRow) -> bool:
        """Whether this one is settled, for good or bad."""
        try:
            await self._send(row)
        except EvalstreamError as error:
            return await self._put_off(row, error)
        self.attempts[row.destination, "delivered"] += 1
        await _noted(partial(self._warehouse.outbox_delivered, row.id, datetime.now(UTC)))
        return True

    async def _send(self, row: OutboxRow) -> None:
        if row.kind == "topic":
            await self._publish(row.destination, row.body)
            return
        destination = self._destinations.get(row.destination)
        if destination is None:
            raise Rejected(f"no destination is called {row.destination!r} any more")
        await self._webhooks.send(destination, row.body, row.dedup_id)

    async def _put_off(self, row: OutboxRow, error: EvalstreamError) -> bool:
        """Note the failure; whether it was the last attempt."""
        destination = self._destinations.get(row.destination)
        most = destination.max_attempts if destination else 1
        final = isinstance(error, Rejected) or (row.kind != "topic" and row.attempts + 1 >= most)
        self.attempts[row.destination, "given_up" if final else "put_off"] += 1
        wait = min(FIRST_RETRY_S * 2**row.attempts, MAX_RETRY_S) * random.uniform(0.8, 1.2)
        if isinstance(error, Unavailable):
            wait = max(wait, error.retry_after_s)
        log.warning("a notification was not delivered", destination=row.destination, final=final, reason=str(error))
        next_at = datetime.now(UTC) + timedelta(seconds=wait)
        await _noted(partial(self._warehouse.outbox_failed, row.id, str(error)[:500], next_at, final=final))
        return final


async def _noted(write: Callable[[], None]) -> None:
    """Write, however long the warehouse is away: what was sent and is not noted would be sent again and again."""
    while True:
        try:
            return await asyncio.to_thread(write)
        except Unavailable as error:
            log.warning("the outbox cannot be written", reason=str(error))
            await asyncio.sleep(error.retry_after_s)
