"""The server of the probes, over a socket."""

from __future__ import annotations

import asyncio
import socket

import aiohttp
import pytest
from pydantic import SecretStr

from schemas.errors import Fatal
from streams.telemetry import Metrics
from streams.telemetry.probes import Probes, Readiness
from streams.telemetry.serving import ProbeServer

LOOPBACK = "127.0.0.1"


def probes(*reasons: str, metrics: Metrics | None = None) -> Probes:
    return Probes(metrics or Metrics(), lambda: Readiness(reasons))


async def test_a_second_worker_on_the_machine_takes_another_port() -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = await ProbeServer.start(probes().application(None), LOOPBACK, port)
        try:
            assert server.url != f"http://{LOOPBACK}:{port}"
            async with aiohttp.ClientSession() as http, http.get(f"{server.url}/readyz") as response:
                assert (response.status, await response.json()) == (200, {"ready": True, "reasons": []})
        finally:
            await server.close()


async def test_an_address_of_another_machine_is_fatal() -> None:
    with pytest.raises(Fatal, match=r"cannot listen on 203.0.113.7:0 \(http.host, http.port\)"):
        await ProbeServer.start(probes().application(None), "203.0.113.7", 0)


async def test_formats_and_token() -> None:
    metrics = Metrics()
    metrics.measurements.inc()
    server = await ProbeServer.start(probes("stopping", metrics=metrics).application(SecretStr("s3cret")), LOOPBACK, 0)
    bearer = {"Authorization": "Bearer s3cret"}
    try:
        async with aiohttp.ClientSession(server.url) as http:
            for headers in ({}, {"Authorization": "Bearer s3cre"}, {"Authorization": "s3cret"}):
                async with http.get("/metrics", headers=headers) as response:
                    assert response.status == 401 and response.headers["WWW-Authenticate"] == "Bearer"
            async with http.get("/readyz") as response:
                assert (response.status, await response.json()) == (503, {"ready": False, "reasons": ["stopping"]})
            async with http.get("/metrics", headers=bearer) as response:
                text = await response.text()
                assert "evalstream_measurements_total 1.0" in text and "evalstream_ready 0.0" in text
                assert "_created" not in text
            openmetrics = {**bearer, "Accept": "application/openmetrics-text; version=1.0.0"}
            async with http.get("/metrics", headers=openmetrics) as response:
                assert response.content_type == "application/openmetrics-text"
                assert (await response.text()).rstrip().endswith("# EOF")
            answers = await asyncio.gather(*(http.get("/healthz") for _ in range(20)))
            assert {answer.status for answer in answers} == {200}
    finally:
        await server.close()
