"""`Receiver`: POST /v1/traces, and what tells how it is doing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from schemas.errors import InvalidRecord, Unavailable
from schemas.settings import ReceiverSettings, Topics
from streams.access import is_allowed
from streams.kafka.otlp_records import Prepared, prepare
from streams.kafka.producer import Outgoing, Producer
from streams.receiver import answer
from streams.receiver.body import Encoding, Refused, encoding_of, read_body
from streams.telemetry import Metrics
from streams.telemetry.probes import Probes, Readiness

log = structlog.get_logger(__name__)

PATH = "/v1/traces"
MAX_WAIT_S = 10.0  # for an acknowledgement; OTLP exporters give up after 10 s by default
RETRY_AFTER_S = 2.0
MAX_BODIES = 8  # full bodies held at once; further requests wait their turn before they are read


class Receiver:
    """The HTTP application.

    Parameters
    ----------
    producer : where the records go; `None` while no broker has answered yet.
    about : what ``GET /`` tells besides the counts.
    """

    def __init__(self, settings: ReceiverSettings, about: dict[str, str | None]) -> None:
        self._limit = int(settings.max_body_mb * 2**20)
        self._token = settings.token
        self._about = about
        self._slots = asyncio.Semaphore(MAX_BODIES)
        self.producer: Producer | None = None
        self.counts: Counter[str] = Counter()
        self.metrics = Metrics()
        self._probes = Probes(self.metrics, self._readiness)

    def application(self) -> web.Application:
        """The routes; run it without aiohttp's own decompression, which knows no limit."""
        app = web.Application(middlewares=[self._authorised])
        app.router.add_post(PATH, self._traces)
        app.router.add_get("/", self._overview)
        app.add_routes(self._probes.routes())
        return app

    async def _traces(self, request: web.Request) -> web.StreamResponse:
        encoding: Encoding = "json" if request.content_type == "application/json" else "proto"
        try:
            async with self._slots:
                encoding = encoding_of(request)
                body = await read_body(request, self._limit)
                if self.producer is None:
                    raise Unavailable("no broker has answered yet")
                prepared = await asyncio.to_thread(prepare, body, encoding, self.producer.max_record_bytes)
                return await self._publish(prepared, encoding)
        except Refused as error:
            return self._refuse(encoding, error.status, error.reason, error.message)
        except InvalidRecord as error:
            return self._refuse(encoding, 400, error.reason, str(error))
        except (Unavailable, TimeoutError) as error:
            self.counts["unavailable"] += 1
            self.metrics.requests.labels("unavailable").inc()
            return answer.try_again(encoding, RETRY_AFTER_S, f"Kafka is away: {error or 'no acknowledgement in time'}")

    async def _publish(self, prepared: Prepared, encoding: Encoding) -> web.Response:
        assert self.producer is not None
        outgoing = [Outgoing(Topics.OTLP_SPANS, value, key=key.encode()) for key, value in prepared.records]
        async with asyncio.timeout(MAX_WAIT_S):
            await self.producer.publish(outgoing)
        self.counts["records"] += len(outgoing)
        self.metrics.requests.labels("accepted").inc()
        self.metrics.received.inc(len(outgoing))
        if not prepared.too_large:
            return answer.accepted(encoding)
        self.counts["rejected_span_too_large"] += prepared.too_large
        self.metrics.dropped.labels("span", "span_too_large").inc(prepared.too_large)
        log.warning("spans rejected", reason="span_too_large", spans=prepared.too_large)
        message = f"a span is larger than {self.producer.max_record_bytes} bytes (kafka.max_record_mb)"
        return answer.accepted(encoding, prepared.too_large, message)

    def _refuse(self, encoding: Encoding, status: int, reason: str, message: str) -> web.Response:
        self.counts[f"rejected_{reason}"] += 1
        self.metrics.requests.labels(self.metrics.bounded("refused", reason)).inc()
        log.warning("request refused", status=status, reason=reason, detail=message)
        return answer.refused(encoding, status, message)

    @web.middleware
    async def _authorised(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if is_allowed(request, self._token):
            return await handler(request)
        self.counts["rejected_unauthorised"] += 1
        self.metrics.requests.labels("unauthorised").inc()
        encoding: Encoding = "json" if request.content_type == "application/json" else "proto"
        response = answer.refused(encoding, 401, "a bearer token is needed")
        response.headers["WWW-Authenticate"] = "Bearer"
        return response

    async def _overview(self, request: web.Request) -> web.Response:
        return web.json_response({**self._about, "traces_path": PATH, "counts": dict(self.counts)})

    def _readiness(self) -> Readiness:
        return Readiness([] if self.producer is not None else ["waiting for the broker"])
