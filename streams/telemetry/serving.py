"""The HTTP server of a worker's probes."""

from __future__ import annotations

import errno
from typing import Self

import structlog
from aiohttp import web

from schemas.errors import Fatal

log = structlog.get_logger(__name__)

SHUTDOWN_S = 1.0


class ProbeServer:
    """Listens from the start of a worker until its end.

    Attributes
    ----------
    url : where it listens.
    """

    def __init__(self, runner: web.AppRunner, url: str) -> None:
        self._runner, self.url = runner, url

    @classmethod
    async def start(cls, application: web.Application, host: str, port: int) -> Self:
        """Listen on `port`, or on any free one when it is taken: a second worker on one machine is no mistake.

        Raises
        ------
        Fatal : the address is not one of this machine, or the port is not allowed.
        """
        runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        try:
            await _listen(runner, host, port)
        except OSError as error:
            await runner.cleanup()
            raise Fatal(f"cannot listen on {host}:{port} (http.host, http.port): {error.strerror}") from None
        bound = runner.addresses[0][1]
        url = f"http://[{host}]:{bound}" if ":" in host else f"http://{host}:{bound}"
        log.info("listening", healthz=f"{url}/healthz", readyz=f"{url}/readyz", metrics=f"{url}/metrics")
        return cls(runner, url)

    async def close(self) -> None:
        await self._runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        log.warning("the port is taken, listening on any free one", host=host, port=port)
        await web.TCPSite(runner, host, 0).start()
