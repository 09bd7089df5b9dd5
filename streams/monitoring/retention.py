"""Retention as configured: one of the workers deletes what is too old, once an hour."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import structlog

from schemas.errors import Unavailable
from schemas.settings.pipeline import WarehouseSettings
from sinks.warehouse import Warehouse

log = structlog.get_logger(__name__)

EVERY = timedelta(hours=1)
LOOK_EVERY_S = 60.0


class Retention:
    """Beside the monitor's work. Workers share the turns through the warehouse, so that several do not do it at once."""

    def __init__(self, warehouse: Warehouse, settings: WarehouseSettings) -> None:
        self._warehouse, self._settings = warehouse, settings
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look whether it is our turn."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop; what a batch has deleted stays deleted, the rest waits for the next turn."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                counts = await asyncio.to_thread(prune_in_turn, self._warehouse, self._settings)
                if counts:
                    log.info("retention", deleted=counts)
            except Unavailable as error:
                log.warning("retention waits", reason=str(error))
            except Exception:  # old rows are no reason to stop watching; the next turn tries again
                log.exception("retention failed")
            await asyncio.sleep(LOOK_EVERY_S)


def prune_in_turn(warehouse: Warehouse, settings: WarehouseSettings, now: datetime | None = None) -> dict[str, int]:
    """Delete what is too old when an hour has passed since anybody did; the number of rows by table."""
    moment = now or datetime.now(UTC)
    if not warehouse.take_turn("retention", EVERY, moment):
        return {}
    counts = warehouse.prune_state(settings.housekeeping, moment)
    if settings.retention_days is not None:
        before = moment - timedelta(days=settings.retention_days)
        counts |= warehouse.prune_traces(before, keep_scores=settings.keep_scores)
    return counts
