"""`/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from pydantic import SecretStr

from streams.access import is_allowed
from streams.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a process does its work now, and why not."""

    reasons: Sequence[str] = ()

    @property
    def ready(self) -> bool:
        return not self.reasons

    def as_json(self) -> dict[str, Any]:
        return {"ready": self.ready, "reasons": list(self.reasons)}


class Probes:
    """The three answers of one process. That anything answers says that it is alive: its event loop runs."""

    def __init__(self, metrics: Metrics, readiness: Callable[[], Readiness]) -> None:
        self._metrics, self._readiness = metrics, readiness
        metrics.observers.append(lambda: metrics.ready.set(readiness().ready))

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/healthz", self._alive),
            web.get("/readyz", self._ready),
            web.get("/metrics", self._exposed),
        ]

    def application(self, token: SecretStr | None) -> web.Application:
        """An application of these alone; `/metrics` wants the token, where there is one."""

        @web.middleware
        async def authorised(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            if is_allowed(request, token):
                return await handler(request)
            return web.Response(status=401, text="a bearer token is needed", headers={"WWW-Authenticate": "Bearer"})

        app = web.Application(middlewares=[authorised])
        app.add_routes(self.routes())
        return app

    async def _alive(self, request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def _ready(self, request: web.Request) -> web.Response:
        found = self._readiness()
        return web.json_response(found.as_json(), status=200 if found.ready else 503)

    async def _exposed(self, request: web.Request) -> web.Response:
        body, content_type = self._metrics.exposition(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})
