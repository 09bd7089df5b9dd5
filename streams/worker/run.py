"""One worker: a component with its Faust application, started when its dependencies answer, stopped in order."""

from __future__ import annotations

import asyncio
import os
import platform
import signal
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from importlib.metadata import version
from typing import Any

import structlog

from evaluators.run import Suite
from schemas.errors import ConfigError, Fatal
from schemas.settings import Settings, SourceMap
from streams import exits
from streams.access import check_exposure
from streams.base.context import Abandoned, Context
from streams.base.log_ends import LogEnds
from streams.base.log_guard import LogGuard
from streams.base.progress import Progress
from streams.kafka.app import build_app
from streams.kafka.batch import sleep_until
from streams.kafka.stopping import is_cancelled
from streams.logs import configure_logs
from streams.telemetry import Metrics
from streams.telemetry.probes import Probes, Readiness
from streams.telemetry.serving import ProbeServer
from streams.worker.building import build_all
from streams.worker.component import COMPONENTS, Component, build_component
from streams.worker.heartbeat import Heartbeat
from streams.worker.intake import Intake
from streams.worker.reload import Load, Reloading
from streams.worker.starting import Starting

log = structlog.get_logger(__name__)

Beside = Callable[[], Coroutine[Any, Any, None]]
"""What goes on beside the work, until it is cancelled."""

TICK_S = 0.25
STOP_S = 5.0  # to commit and to leave the group, once what is in hand is done or given up


def run_worker(component: str, load: Load, http_port: int | None = None) -> int:
    """Run one component until SIGTERM or SIGINT; the exit code. SIGHUP reloads the configuration.

    Parameters
    ----------
    load : reads the configuration, now and whenever it is to be reloaded.
    http_port : where its probes listen; default: by `http.port`.

    Raises
    ------
    ConfigError : the configuration cannot work, found before anything is read.
    """
    configure_logs()
    settings, source = load()
    if component not in COMPONENTS:
        raise ConfigError(f"no component is called {component!r}; there are {', '.join(COMPONENTS)}")
    if http_port is None and settings.http.port is not None:
        http_port = settings.http.port and settings.http.port + COMPONENTS.index(component)
    if http_port is not None:
        check_exposure(settings, source, "http")
    # not on uvloop: there a write to a connection that has just been lost raises what ends aiokafka's tasks for ever (decision 79)
    return asyncio.run(_Worker(component, settings, source, load, http_port).run())


class _Worker:
    def __init__(
        self, component: str, settings: Settings, source: SourceMap, load: Load, http_port: int | None
    ) -> None:
        self._name, self._settings, self._source, self._http_port = component, settings, source, http_port
        self._load = load
        self._stop, self._reload = asyncio.Event(), asyncio.Event()
        self._metrics = Metrics()
        self._metrics.build_info.labels(component, version("evalstream"), platform.python_version()).set(1)
        self._starting = Starting(component, self._stop, self._metrics)
        self._context: Context | None = None
        self._app: Any = None

    async def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._reload.set)
        suite = await asyncio.to_thread(build_all, self._settings, self._source)
        server = await self._listen()
        try:
            self._context = await self._starting.context(self._settings, self._source, self._generation)
            if self._context is not None:
                await self._work(self._context, suite, server.url if server else None)
        finally:
            if server is not None:
                await server.close()
            await asyncio.to_thread(suite.close)
        return 0

    async def _work(self, context: Context, suite: Suite, url: str | None) -> None:
        progress, guard = Progress(self._settings.kafka.topic_prefix), LogGuard(self._name, context)
        intake = Intake(self._metrics, self._generation)
        try:
            component = await asyncio.to_thread(build_component, self._name, context, suite, progress, guard)
            self._app = build_app(self._name, self._settings.kafka, intake.through(component.receivers))
            progress.attach(self._app)
            guard.attach(self._app)
            self._metrics.observers += [lambda: progress.observe(self._metrics), component.observe]
            reloading = Reloading(self._load, context, component, intake, suite)
            heartbeat = Heartbeat(component, context, progress, guard, reloading, url)
            beside = (partial(reloading.run, self._reload), LogEnds(context, progress).run)
            await self._serve(component, heartbeat, intake, partial(guard.look, progress), beside)
        finally:
            await context.producer.close()
            context.warehouse.close()

    async def _serve(
        self, component: Component, heartbeat: Heartbeat, intake: Intake, look: Beside, others: Iterable[Beside]
    ) -> None:
        await component.start()
        await self._app.start()
        beside = [asyncio.create_task(run()) for run in (heartbeat.run, *others)]
        ticking = asyncio.create_task(self._tick(component, look))
        log.info("started", component=self._name, instance=heartbeat.instance)
        await self._stop.wait()
        await self._drain(component, intake, ticking)
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        try:
            async with asyncio.timeout(STOP_S):
                await self._app.stop()
                await component.close()
                await heartbeat.end()
        except TimeoutError:
            log.warning("not everything was committed in time; it is read again at the next start", seconds=STOP_S)
        log.info("stopped", component=self._name, records=dict(intake.taken))

    async def _drain(self, component: Component, intake: Intake, ticking: asyncio.Task[None]) -> None:
        """Begin nothing new, and finish what is in hand."""
        deadline_s = self._settings.worker.drain_s
        log.info("stopping", component=self._name, drain_s=deadline_s)
        intake.shut()
        try:
            async with asyncio.timeout(deadline_s):
                await intake.at_rest()
                await component.drain()
                await asyncio.shield(ticking)
        except TimeoutError:
            log.warning("not everything was finished in time; it is read again at the next start", seconds=deadline_s)
            ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)

    async def _tick(self, component: Component, look: Beside) -> None:
        while not await sleep_until(self._stop, TICK_S):
            try:
                await look()
                await component.tick()
            except Fatal as error:
                log.error("fatal", reason=str(error))
                os._exit(exits.FATAL)
            except Abandoned as error:
                log.info("partitions taken away", reason=str(error))
            except asyncio.CancelledError:
                if is_cancelled():
                    raise
                log.exception("a tick was cancelled by nobody", component=self._name)
            except Exception:  # the next tick tries again; what it would have written is still unacknowledged
                log.exception("a tick failed", component=self._name)

    # --- what it tells of itself ---------------------------------------------------------------------------------

    async def _listen(self) -> ProbeServer | None:
        if self._http_port is None:
            return None
        probes = Probes(self._metrics, self._readiness).application(self._settings.receiver.token)
        return await ProbeServer.start(probes, self._settings.http.host, self._http_port)

    def _readiness(self) -> Readiness:
        if self._stop.is_set():
            return Readiness(["stopping"])
        if self._starting.waiting_for:
            return Readiness([f"waiting for the {self._starting.waiting_for}"])
        if not self._generation():
            return Readiness(["joining the consumer group"])
        outages = sorted(self._context.outages) if self._context else []
        return Readiness([f"waiting for a dependency: {doing}" for doing in outages])

    def _generation(self) -> int:
        return self._app.consumer_generation_id if self._app else 0
