"""Command line: ``python -m streams.devbroker --port 9092 --data DIR``.

Prints one line ``ready HOST:PORT`` when clients may come; SIGTERM and SIGINT stop it cleanly. Exit code 2:
it was told something impossible; 3: its data are damaged. Standard error says what.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

from schemas.errors import ConfigError, Fatal
from streams import exits
from streams.devbroker.server import DevBroker
from streams.devbroker.settings import DevBrokerSettings


def main() -> int:
    """Run a broker until it is told to stop; return the exit code."""
    options = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = DevBrokerSettings(
        partitions=options.partitions,
        auto_create_topics=not options.no_auto_create,
        advertised_port=options.advertised_port,
    )
    try:
        with asyncio.Runner(loop_factory=_fastest_loop()) as runner:
            runner.run(_serve(DevBroker(options.data, options.port, settings)))
    except (ConfigError, Fatal) as error:
        print(f"error: {error}", file=sys.stderr)
        return exits.CONFIG if isinstance(error, ConfigError) else exits.FATAL
    return 0


async def _serve(broker: DevBroker) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with broker:
        print(f"ready {broker.bootstrap_servers}", flush=True)
        await stop.wait()


def _fastest_loop():
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m streams.devbroker", description="A Kafka broker for one machine.")
    parser.add_argument("--data", type=Path, required=True, help="directory of its data; made when it is missing")
    parser.add_argument("--port", type=int, default=9092, help="on 127.0.0.1; 0 picks a free one (default: 9092)")
    parser.add_argument("--partitions", type=int, default=4, help="of a topic that does not say (default: 4)")
    parser.add_argument("--advertised-port", type=int, help="that clients are told, behind a proxy")
    parser.add_argument("--no-auto-create", action="store_true", help="unknown topics are errors, not created")
    return parser


if __name__ == "__main__":
    sys.exit(main())
