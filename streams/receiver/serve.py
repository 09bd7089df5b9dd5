"""Running the receiver as a process: it answers from the start, with 503 until the broker does."""

from __future__ import annotations

import asyncio
import platform
import signal
from importlib.metadata import version

import structlog
from aiohttp import web

from schemas.errors import ConfigError, Fatal, Unavailable
from schemas.settings import Settings, SourceMap
from streams.access import check_exposure
from streams.kafka.producer import Producer
from streams.kafka.topics import ensure_topics
from streams.receiver.server import Receiver

log = structlog.get_logger(__name__)

RECONNECT_S = 1.0
SHUTDOWN_S = 5.0


def run_receiver(settings: Settings, source: SourceMap) -> int:
    """Serve until SIGTERM or SIGINT; the exit code.

    Raises
    ------
    ConfigError : the address is beyond loopback and no token is set, or no broker is named.
    Fatal : the port is taken.
    """
    check_exposure(settings, source, "receiver")
    if settings.kafka.bootstrap_servers is None:
        raise ConfigError("the receiver needs a broker: set KAFKA_BOOTSTRAP_SERVERS", path="kafka.bootstrap_servers")
    return asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> int:
    receiver = Receiver(settings.receiver, {"bootstrap_servers": settings.kafka.bootstrap_servers})
    receiver.metrics.build_info.labels("receiver", version("evalstream"), platform.python_version()).set(1)
    runner = web.AppRunner(receiver.application(), auto_decompress=False, access_log=None, handle_signals=False)
    await runner.setup()
    host, port = settings.receiver.host, settings.receiver.port
    try:
        await web.TCPSite(runner, host, port, shutdown_timeout=SHUTDOWN_S).start()
    except OSError as error:
        await runner.cleanup()
        raise Fatal(f"the receiver cannot listen on {host}:{port}: {error.strerror}") from None
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    log.info("listening", addresses=[list(address[:2]) for address in runner.addresses])
    connecting = asyncio.create_task(_connect(receiver, settings))
    connecting.add_done_callback(lambda task: stopped.set() if not task.cancelled() and task.exception() else None)
    await stopped.wait()
    await runner.cleanup()
    if receiver.producer is not None:
        await receiver.producer.close()
    if not connecting.done():
        connecting.cancel()
    elif failed := connecting.exception():
        raise failed
    return 0


async def _connect(receiver: Receiver, settings: Settings) -> None:
    """Wait for the broker and its topics; once connected, the client sees to reconnecting itself."""
    while True:
        producer = Producer(settings.kafka)
        try:
            await ensure_topics(settings.kafka)
            await producer.start()
        except Unavailable as error:
            log.warning("waiting for the broker", reason=str(error))
            await asyncio.sleep(RECONNECT_S)
        else:
            receiver.producer = producer
            log.info("connected", bootstrap_servers=settings.kafka.bootstrap_servers)
            return
