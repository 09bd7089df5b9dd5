"""Taking up a changed configuration without a restart, between two batches.

What decides about results is taken up: evaluators, judges, alert rules, destinations, overload. What the process stands
on is not: a change of the broker, the warehouse or the key is named and refused as a whole, and so is a file with a
mistake. The old configuration then goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from evaluators.run import Suite
from schemas.errors import ConfigError
from schemas.settings import Settings, SourceMap
from streams.base.context import Context
from streams.worker.building import build_all
from streams.worker.component import Component
from streams.worker.intake import Intake

log = structlog.get_logger(__name__)

RELOADABLE = (
    *("plugins", "presets", "evaluators", "evaluate", "prices", "judge", "embeddings"),
    *("overload", "monitor", "alerts", "notify"),
)

Load = Callable[[], tuple[Settings, SourceMap]]


class Reloading:
    """Reloads the configuration of one worker whenever `asked` is set.

    Parameters
    ----------
    load : reads the configuration as at the start.
    """

    def __init__(self, load: Load, context: Context, component: Component, intake: Intake, suite: Suite) -> None:
        self._load, self._context, self._component = load, context, component
        self._intake, self._suite = intake, suite
        self.loaded_at = time.time()
        context.metrics.reloaded.set(self.loaded_at)

    async def run(self, asked: asyncio.Event) -> None:
        """Wait to be asked, until cancelled."""
        while True:
            await asked.wait()
            asked.clear()
            try:
                outcome = await self._reload()
            except ConfigError as error:
                outcome = "invalid"
                log.error("the changed configuration is wrong, the old one goes on", reason=str(error))
            except Exception:  # the old configuration still stands
                outcome = "failed"
                log.exception("reloading failed, the old configuration goes on")
            self._context.metrics.reloads.labels(outcome).inc()

    async def _reload(self) -> str:
        settings, source = await asyncio.to_thread(self._load)
        fixed = needs_restart(self._context.settings, settings)
        if fixed:
            log.error("not reloaded: these need a restart, the old configuration goes on", changed=fixed)
            return "needs_restart"
        suite = await asyncio.to_thread(build_all, settings, source)
        try:
            async with self._intake.border():
                await self._take_up(settings, source, suite)
        except BaseException:
            await asyncio.to_thread(suite.close)
            raise
        before, self._suite = self._suite, suite
        await asyncio.to_thread(before.close)
        self.loaded_at = time.time()
        self._context.metrics.reloaded.set(self.loaded_at)
        log.info("reloaded", file=source.file, evaluators=len(suite.evaluators), alerts=len(settings.alerts))
        return "ok"

    async def _take_up(self, settings: Settings, source: SourceMap, suite: Suite) -> None:
        context = self._context
        before = context.settings, context.source
        context.settings, context.source = settings, source
        try:
            await self._component.reload(suite)
        except BaseException:
            context.settings, context.source = before
            raise


def needs_restart(old: Settings, new: Settings) -> list[str]:
    """Keys that differ and cannot be changed while a worker runs, e.g. ``kafka.partitions``."""
    found = []
    for name in type(old).model_fields:
        if name in RELOADABLE or getattr(old, name) == getattr(new, name):
            continue
        before, after = getattr(old, name), getattr(new, name)
        keys = type(before).model_fields if hasattr(type(before), "model_fields") else ()
        found += [f"{name}.{key}" for key in keys if getattr(before, key) != getattr(after, key)] or [name]
    return found
