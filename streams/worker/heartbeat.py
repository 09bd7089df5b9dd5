"""What a worker says of itself, once a second: to the warehouse, for `evalstream status`, and to its probes."""

from __future__ import annotations

import asyncio
import os
import socket
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import structlog

from schemas.errors import Unavailable
from streams.base.context import Context
from streams.base.log_guard import LogGuard
from streams.base.progress import Progress
from streams.worker.component import Component
from streams.worker.reload import Reloading

log = structlog.get_logger(__name__)

EVERY_S = 1.0


class Heartbeat:
    """The state of one worker; `instance` is new at every start, `url` is where its probes listen."""

    def __init__(
        self,
        component: Component,
        context: Context,
        progress: Progress,
        guard: LogGuard,
        reloading: Reloading,
        url: str | None,
    ) -> None:
        self._component, self._context, self._progress, self._guard = component, context, progress, guard
        self._reloading, self._url = reloading, url
        self.instance = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:6]}"
        self._started = datetime.now(UTC)

    def state(self) -> dict[str, Any]:
        """Ready, assigned partitions, lag in records, and the component's own figures."""
        assigned = sorted(f"{tp.topic}-{tp.partition}" for tp in self._progress.assigned())
        lag = self._progress.total_lag()
        ready = self._context.generation() > 0
        at_rest = lag == 0 and not self._progress.in_hand()
        return {
            **self._component.state(),
            "dropped": dict(self._context.dropped),
            "ready": ready,
            "assigned": assigned,
            "lag": lag,
            "caught_up": ready and at_rest and self._guard.has_compared(self._progress),
            "pid": os.getpid(),
            "http": self._url,
            "configured_at": datetime.fromtimestamp(self._reloading.loaded_at, UTC).isoformat(),
            "started_at": self._started.isoformat(),
        }

    async def run(self) -> None:
        """Report until cancelled; a warehouse that is away is no reason to stop."""
        warehouse, name = self._context.warehouse, self._component.name
        while True:
            state = self.state()
            try:
                await asyncio.to_thread(warehouse.report, name, self.instance, state)
            except Unavailable as error:
                log.debug("the heartbeat was not stored", reason=str(error))
            await asyncio.sleep(EVERY_S)

    async def end(self) -> None:
        """Say that this worker is gone."""
        try:
            await asyncio.to_thread(self._context.warehouse.forget, self._component.name, self.instance)
        except Unavailable as error:
            log.debug("the heartbeat was not removed", reason=str(error))
