"""One worker: a component with its Faust application, started when its dependencies answer, stopped in order."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from evaluators.run import Suite
from schemas.errors import ConfigError, Fatal, Unavailable
from schemas.settings import Settings, SourceMap, Topics
from sinks.outbox import OutboxSender
from sinks.redact import Redactor
from sinks.warehouse import Warehouse
from streams.app import EXIT_FATAL, build_app
from streams.building import build_all
from streams.context import Context, default_hasher
from streams.heartbeat import Component, Heartbeat
from streams.log_guard import LogGuard
from streams.logs import configure_logs
from streams.producer import Outgoing, Producer
from streams.progress import Progress
from streams.topics import ensure_topics

log = structlog.get_logger(__name__)

COMPONENTS = ("assemble", "evaluate", "judge", "monitor")
TICK_S = 0.25
DRAIN_S = 20.0
START_WAIT_MAX_S = 5.0


def run_worker(component: str, settings: Settings, source: SourceMap) -> int:
    """Run one component until SIGTERM or SIGINT; the exit code.

    Raises
    ------
    ConfigError : the configuration cannot work, found before anything is read.
    """
    import uvloop

    configure_logs()
    return uvloop.run(_Worker(component, settings, source).run())


class _Worker:
    def __init__(self, component: str, settings: Settings, source: SourceMap) -> None:
        if component not in COMPONENTS:
            raise ConfigError(f"no component is called {component!r}; there are {', '.join(COMPONENTS)}")
        self._name, self._settings, self._source = component, settings, source
        self._stop = asyncio.Event()
        self._app: Any = None

    async def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        suite = await asyncio.to_thread(build_all, self._settings, self._source)
        try:
            context = await self._prepare()
            if context is not None:
                await self._work(context, suite)
        finally:
            await asyncio.to_thread(suite.close)
        return 0

    async def _work(self, context: Context, suite: Suite) -> None:
        progress, guard = Progress(self._settings.kafka.topic_prefix), LogGuard(self._name, context)
        try:
            component = await asyncio.to_thread(self._build, context, suite, progress, guard)
            self._app = build_app(self._name, self._settings.kafka, component.receivers)
            progress.attach(self._app)
            guard.attach(self._app)
            await self._serve(component, Heartbeat(component, context, progress))
        finally:
            await context.producer.close()
            context.warehouse.close()

    async def _serve(self, component: Component, heartbeat: Heartbeat) -> None:
        await component.start()
        await self._app.start()
        tasks = [asyncio.create_task(heartbeat.run()), asyncio.create_task(self._tick(component))]
        log.info("started", component=self._name, instance=heartbeat.instance)
        await self._stop.wait()
        log.info("stopping", component=self._name)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._app.stop()
                await component.close()
                await heartbeat.end()
        except TimeoutError:
            log.warning("not everything was drained in time; it is read again at the next start", seconds=DRAIN_S)

    async def _tick(self, component: Component) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            try:
                await component.tick()
            except Fatal as error:
                log.error("fatal", reason=str(error))
                os._exit(EXIT_FATAL)
            except Exception:  # the next tick tries again; what it would have written is still unacknowledged
                log.exception("a tick failed", component=self._name)

    # --- preparing -----------------------------------------------------------------------------------------------

    async def _prepare(self) -> Context | None:
        """Wait for warehouse and broker; None when told to stop meanwhile."""
        settings = self._settings
        warehouse = await self._when_available("warehouse", lambda: asyncio.to_thread(self._open_warehouse))
        partitions = warehouse and await self._when_available("broker", lambda: ensure_topics(settings.kafka))
        producer = Producer(settings.kafka)
        if not partitions or await self._when_available("broker", lambda: _started(producer)) is None:
            return None
        hasher = default_hasher(settings)
        await asyncio.to_thread(_check_installation, warehouse, hasher.digest("installation"), partitions)
        return Context(
            settings=settings,
            source=self._source,
            warehouse=warehouse,
            producer=producer,
            hasher=hasher,
            redactor=Redactor(settings.redaction, hasher),
            partitions=partitions,
            generation=lambda: self._app.consumer_generation_id if self._app else 0,
        )

    def _open_warehouse(self) -> Warehouse:
        warehouse = Warehouse.open(self._settings.warehouse)
        if self._settings.warehouse.migrate_on_start:
            warehouse.migrate()
        else:
            warehouse.require_current()
        return warehouse

    async def _when_available(self, what: str, connect: Callable[[], Awaitable[Any]]) -> Any:
        wait = 0.2
        while not self._stop.is_set():
            try:
                return await connect()
            except Unavailable as error:
                log.warning("waiting", component=self._name, dependency=what, reason=str(error))
            try:
                await asyncio.wait_for(self._stop.wait(), wait)
            except TimeoutError:
                wait = min(wait * 2, START_WAIT_MAX_S)
        return None

    def _build(self, context: Context, suite: Suite, progress: Progress, guard: LogGuard) -> Component:
        """The component; imports only what it needs."""
        if self._name == "assemble":
            from streams.assemble import Assemble

            return Assemble(context, progress)
        if self._name == "evaluate":
            from streams.evaluate import Evaluate

            return Evaluate(context, progress, suite, guard)
        if self._name == "judge":
            from streams.judge import Judge

            return Judge(context, progress, suite, guard)
        from streams.monitor import Monitor

        async def publish(topic: str, body: bytes) -> None:
            await context.producer.publish([Outgoing(topic, body)])

        return Monitor(context, progress, OutboxSender(context.warehouse, self._settings.notify, publish))


async def _started(producer: Producer) -> Producer:
    await producer.start()
    return producer


def _check_installation(warehouse: Warehouse, key_digest: str, partitions: dict[str, int]) -> None:
    """What must be equal on every worker, and over time: the key, and the partitions that segments are spread over."""
    if warehouse.set_meta_once("key_digest", key_digest) != key_digest:
        raise ConfigError("EVALSTREAM_KEY is not the key that this warehouse was filled with", path="redaction.key")
    count = str(partitions[Topics.MEASUREMENTS])
    stored = warehouse.set_meta_once("measurements_partitions", count)
    if stored != count:
        raise ConfigError(
            f"the topic `measurements` has {count} partitions, and had {stored} when its monitors began; "
            "segments would change places: make the topic again with the old count",
            path="kafka.partitions",
        )
