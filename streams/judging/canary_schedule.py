"""When canaries run: in the judge worker, once a period for all workers together."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

import structlog

from schemas.errors import EvalstreamError
from schemas.settings import CanarySettings, Topics
from streams.base.context import Context
from streams.judging.canary import run_canary

log = structlog.get_logger(__name__)


class CanarySchedule:
    """Runs what is due. A period belongs to the worker that first writes its name down for it; if that one dies before it is done,
    the canary runs again in the next period."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._instance = uuid4().hex
        self._tried: dict[str, int] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def tick(self) -> None:
        """Begin what is due; call about once a second."""
        for canary in self._context.settings.judge.canaries:
            if canary.every_s is None:
                continue
            period = int(time.time() // canary.every_s)
            if self._tried.get(canary.name) == period:
                continue
            self._tried[canary.name] = period
            task = asyncio.create_task(self._run(canary, period))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """Stop what runs."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _run(self, canary: CanarySettings, period: int) -> None:
        context = self._context
        key = f"{canary.measured_as}:{canary.every_s:g}:{period}"
        try:
            owner = await asyncio.to_thread(context.warehouse.set_meta_once, key, self._instance)
            if owner != self._instance:
                return
            done, records = await run_canary(
                canary, context.settings, context.source, context.warehouse, context.partitions[Topics.MEASUREMENTS]
            )
            await context.producer.publish(records)
            log.info("canary", **done.as_json())
        except EvalstreamError as error:
            log.error("a canary did not run", canary=canary.name, reason=str(error))
