"""The broker on a socket of this machine."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from schemas.errors import ConfigError
from streams.devbroker.broker import Broker
from streams.devbroker.connection import Connection
from streams.devbroker.settings import DevBrokerSettings

LOOPBACK = "127.0.0.1"

log = logging.getLogger(__name__)


class DevBroker:
    """A durable single-node Kafka-protocol broker in this process, for the first minutes and for tests.

    Parameters
    ----------
    folder : where its data is kept; made when it is missing.
    port : on the loopback interface; 0 picks a free one.
    settings : see there.

    Examples
    --------
    >>> async with DevBroker(Path("data"), port=0) as broker:  # doctest: +SKIP
    ...     print(broker.bootstrap_servers)
    """

    def __init__(self, folder: Path | str, port: int = 0, settings: DevBrokerSettings | None = None) -> None:
        self._folder, self._port, self._settings = Path(folder), port, settings or DevBrokerSettings()
        self._broker: Broker | None = None
        self._server: asyncio.Server | None = None
        self._housekeeping: asyncio.Task | None = None
        self._connections: set[Connection] = set()

    @property
    def bootstrap_servers(self) -> str:
        """Host and port, once it is started."""
        return f"{LOOPBACK}:{self._port}"

    async def start(self) -> None:
        """Recover what is in the folder and listen.

        Raises
        ------
        ConfigError : another broker has the folder, or another process the port.
        Fatal : what is in the folder is damaged.
        """
        broker = Broker(self._folder, self._settings)
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: Connection(broker, self._connections), LOOPBACK, self._port)
        except OSError as error:
            broker.close()
            raise ConfigError(f"cannot listen on {self.bootstrap_servers}: {error.strerror}") from error
        self._port = self._server.sockets[0].getsockname()[1]
        broker.port = self._settings.advertised_port or self._port
        self._broker = broker
        self._housekeeping = asyncio.create_task(self._keep_house(broker))

    async def close(self) -> None:
        """Hang up on everybody, flush to the disk, and let the folder go."""
        if self._broker is None or self._server is None or self._housekeeping is None:
            return
        self._housekeeping.cancel()
        self._server.close()
        for connection in list(self._connections):
            connection.close()
        await asyncio.sleep(0)  # connections take note, and their waiting requests end
        self._broker.close()
        self._broker = None

    async def __aenter__(self) -> DevBroker:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def _keep_house(self, broker: Broker) -> None:
        while True:
            await asyncio.sleep(self._settings.retention_check_s)
            try:
                broker.keep_house()
            except Exception:
                log.exception("housekeeping failed")
