"""The OTLP/HTTP receiver, as clients meet it: the real exporter and raw HTTP, over a socket, into a real broker."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import socket
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult

from schemas.ids import Hasher
from schemas.otlp import decode
from tests.brokers import ROOT, DevBrokerProcess, free_port

START_TIMEOUT_S = 90
JSON_HEADERS = {"Content-Type": "application/json"}
PROTO_HEADERS = {"Content-Type": "application/x-protobuf"}


@dataclass
class RunningReceiver:
    """A receiver in a process of its own."""

    url: str
    prefix: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def traces(self) -> str:
        return f"{self.url}/v1/traces"


def start_receiver(
    folder: Path, bootstrap_servers: str, prefix: str, settings: str = "", **environ: str
) -> RunningReceiver:
    config = folder / "evalstream.yaml"
    config.write_text(f"kafka: {{topic_prefix: {prefix!r}, max_record_mb: 1}}\n{settings}")
    port, log = free_port(), folder / "receiver.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli.main", "receiver", "-c", str(config), "--port", str(port)],
            env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers, **environ},
            cwd=ROOT,
            stdout=out,
            stderr=out,
        )
    return RunningReceiver(f"http://127.0.0.1:{port}", prefix, process, log)


async def until_ready(receiver: RunningReceiver, status: int = 200, path: str = "/readyz") -> None:
    async with aiohttp.ClientSession() as http, asyncio.timeout(START_TIMEOUT_S):
        while True:
            assert receiver.process.poll() is None, receiver.log.read_text()
            try:
                async with http.get(receiver.url + path) as response:
                    if response.status == status:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def receiver(dev_broker: DevBrokerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningReceiver]:
    found = start_receiver(tmp_path_factory.mktemp("receiver"), dev_broker.bootstrap_servers, "rcv-")
    asyncio.run(until_ready(found))
    yield found
    found.process.terminate()
    assert found.process.wait(10) == 0, found.log.read_text()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def records(bootstrap_servers: str, topic: str) -> list[tuple[str, bytes]]:
    """All (key, value) of a topic."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    found = []
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(tp) < end for tp, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                found += [((record.key or b"").decode(), record.value) for record in batch]
    finally:
        await consumer.stop()
    return found


async def of_traces(bootstrap_servers: str, receiver: RunningReceiver, *trace_ids: str) -> list[bytes]:
    found = await records(bootstrap_servers, f"{receiver.prefix}otlp_spans")
    return [value for key, value in found if key in trace_ids]


def request_json(*trace_ids: str, text: str = "hello") -> bytes:
    spans = [
        {
            "traceId": trace_id,
            "spanId": f"{number + 1:016x}",
            "name": "chat",
            "startTimeUnixNano": "1767225600000000000",
            "endTimeUnixNano": "1767225601000000000",
            "attributes": [{"key": "note", "value": {"stringValue": text}}],
        }
        for number, trace_id in enumerate(trace_ids)
    ]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()


def request_proto(trace_id: str, text: str = "hello", spans: int = 1) -> bytes:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for number in range(spans):
        span = scope.spans.add(trace_id=bytes.fromhex(trace_id), span_id=(number + 1).to_bytes(8, "big"), name="chat")
        span.attributes.add(key="note").value.string_value = text
    return request.SerializeToString()


@pytest.mark.parametrize("compression", list(Compression))
async def test_takes_what_the_real_exporter_sends(
    receiver: RunningReceiver, dev_broker: DevBrokerProcess, compression: Compression
) -> None:
    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
    exporter = OTLPSpanExporter(receiver.traces, compression=compression)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")

    def work() -> str:
        with tracer.start_as_current_span("agent") as span:
            span.set_attribute("gen_ai.operation.name", "invoke_agent")
            return f"{span.get_span_context().trace_id:032x}"

    trace_id = await asyncio.to_thread(work)
    values = await of_traces(dev_broker.bootstrap_servers, receiver, trace_id)
    assert len(values) == 1
    [fragment] = decode(values[0], Hasher(b"k"))
    assert fragment.trace_id == trace_id and fragment.resource["service.name"] == "shop"
    assert [span.name for span in fragment.spans] == ["agent"]


async def test_a_body_of_one_trace_is_written_as_it_came(
    receiver: RunningReceiver, dev_broker: DevBrokerProcess, http: aiohttp.ClientSession
) -> None:
    for trace_id, headers, body in (
        ("a1" * 16, JSON_HEADERS, request_json("a1" * 16)),
        ("a2" * 16, PROTO_HEADERS, request_proto("a2" * 16)),
    ):
        async with http.post(receiver.traces, data=body, headers=headers) as response:
            assert response.status == 200
            assert response.content_type == headers["Content-Type"]
            answer = await response.read()
        assert answer == b"{}" if headers is JSON_HEADERS else ExportTraceServiceResponse.FromString(answer) is not None
        assert await of_traces(dev_broker.bootstrap_servers, receiver, trace_id) == [body]


async def test_several_traces_become_one_record_each(
    receiver: RunningReceiver, dev_broker: DevBrokerProcess, http: aiohttp.ClientSession
) -> None:
    ids = ("b1" * 16, "b2" * 16)
    async with http.post(receiver.traces, data=request_json(*ids), headers=JSON_HEADERS) as response:
        assert response.status == 200
    for trace_id in ids:
        [value] = await of_traces(dev_broker.bootstrap_servers, receiver, trace_id)
        assert [fragment.trace_id for fragment in decode(value, Hasher(b"k"))] == [trace_id]


@pytest.mark.parametrize(("name", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_inflates(
    receiver: RunningReceiver, dev_broker: DevBrokerProcess, http: aiohttp.ClientSession, name: str, compress: object
) -> None:
    trace_id = ("c1" if name == "gzip" else "c2") * 16
    body = request_json(trace_id)
    headers = {**JSON_HEADERS, "Content-Encoding": name}
    async with http.post(receiver.traces, data=compress(body), headers=headers) as response:  # type: ignore[operator]
        assert response.status == 200
    assert await of_traces(dev_broker.bootstrap_servers, receiver, trace_id) == [body]


BAD_REQUESTS = {
    "no OTLP": (400, JSON_HEADERS, b'{"hello": 1}'),
    "broken JSON": (400, JSON_HEADERS, b"{"),
    "broken protobuf": (400, PROTO_HEADERS, b"\x0a\xff\xff"),
    "bad id": (400, JSON_HEADERS, request_json("00" * 16)),
    "deep": (400, JSON_HEADERS, b"[" * 100_000),
    "no gzip": (400, {**JSON_HEADERS, "Content-Encoding": "gzip"}, b"hello"),
    "cut gzip": (400, {**JSON_HEADERS, "Content-Encoding": "gzip"}, gzip.compress(request_json("d1" * 16))[:-9]),
    "media type": (415, {"Content-Type": "text/plain"}, b"hello"),
    "compression": (415, {**JSON_HEADERS, "Content-Encoding": "br"}, b"hello"),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
async def test_refuses_for_good(receiver: RunningReceiver, http: aiohttp.ClientSession, name: str) -> None:
    status, headers, body = BAD_REQUESTS[name]
    async with http.post(receiver.traces, data=body, headers=headers) as response:
        assert response.status == status
        answer = await response.read()
    if headers["Content-Type"] == "application/json":
        assert json.loads(answer)["code"] > 0 and json.loads(answer)["message"]
    else:
        assert answer[:1] == b"\x08" and answer[2:3] == b"\x12"  # google.rpc.Status: code, message


async def test_a_bomb_is_refused_before_it_is_inflated(receiver: RunningReceiver, http: aiohttp.ClientSession) -> None:
    before = _resident_kb(receiver.process.pid)
    bomb = gzip.compress(b" " * (256 * 2**20), 9)
    assert len(bomb) < 2**20
    headers = {**JSON_HEADERS, "Content-Encoding": "gzip"}
    async with http.post(receiver.traces, data=bomb, headers=headers) as response:
        assert response.status == 413
    assert _resident_kb(receiver.process.pid) - before < 100_000


async def test_a_large_body_is_refused(receiver: RunningReceiver, http: aiohttp.ClientSession) -> None:
    async with http.post(receiver.traces, data=b" " * (17 * 2**20), headers=JSON_HEADERS) as response:
        assert response.status == 413


async def test_a_large_trace_leaves_in_several_records(
    receiver: RunningReceiver, dev_broker: DevBrokerProcess, http: aiohttp.ClientSession
) -> None:
    trace_id = "e1" * 16
    body = request_proto(trace_id, text="x" * 100_000, spans=25)  # 2.5 MB; a record takes 1 MB
    async with http.post(receiver.traces, data=body, headers=PROTO_HEADERS) as response:
        assert response.status == 200
        assert not ExportTraceServiceResponse.FromString(await response.read()).HasField("partial_success")
    values = await of_traces(dev_broker.bootstrap_servers, receiver, trace_id)
    spans = [span.span_id for value in values for fragment in decode(value, Hasher(b"k")) for span in fragment.spans]
    assert len(values) > 2 and sorted(spans) == [f"{n + 1:016x}" for n in range(25)]


@pytest.mark.parametrize("encoding", ["json", "proto"])
async def test_a_span_that_no_record_can_hold_is_a_partial_success(
    receiver: RunningReceiver, http: aiohttp.ClientSession, encoding: str
) -> None:
    text = "x" * (2 * 2**20)
    if encoding == "json":
        async with http.post(
            receiver.traces, data=request_json("f1" * 16, text=text), headers=JSON_HEADERS
        ) as response:
            assert response.status == 200
            partial = (await response.json())["partialSuccess"]
        assert partial["rejectedSpans"] == "1" and "max_record_mb" in partial["errorMessage"]
    else:
        async with http.post(
            receiver.traces, data=request_proto("f2" * 16, text=text), headers=PROTO_HEADERS
        ) as response:
            assert response.status == 200
            answer = ExportTraceServiceResponse.FromString(await response.read())
        assert answer.partial_success.rejected_spans == 1 and "max_record_mb" in answer.partial_success.error_message


async def test_tells_how_it_is_doing(receiver: RunningReceiver, http: aiohttp.ClientSession) -> None:
    for path, field in (("/healthz", "alive"), ("/readyz", "ready")):
        async with http.get(receiver.url + path) as response:
            assert response.status == 200 and (await response.json())[field] is True
    async with http.post(receiver.traces, data=request_json("f3" * 16), headers=JSON_HEADERS) as response:
        assert response.status == 200
    async with http.get(receiver.url) as response:
        about = await response.json()
    assert about["traces_path"] == "/v1/traces" and about["counts"]["records"] > 0


async def test_503_while_kafka_is_away_and_the_exporter_delivers_afterwards(tmp_path: Path) -> None:
    broker = DevBrokerProcess(tmp_path / "broker")
    broker.start()
    broker.stop()
    receiver = start_receiver(tmp_path, broker.bootstrap_servers, "away-")
    try:
        await until_ready(receiver, status=503)
        async with aiohttp.ClientSession() as http:
            body = request_json("ab" * 16)
            async with http.post(receiver.traces, data=body, headers=JSON_HEADERS) as response:
                assert response.status == 503 and int(response.headers["Retry-After"]) > 0
                assert (await response.json())["code"] == 14
        exporter = OTLPSpanExporter(receiver.traces, timeout=30)
        sending = asyncio.create_task(asyncio.to_thread(exporter.export, _spans()))
        await asyncio.sleep(1)
        assert not sending.done()
        broker.start()
        assert await asyncio.wait_for(sending, 30) is SpanExportResult.SUCCESS
        broker.kill()
        async with aiohttp.ClientSession() as http, asyncio.timeout(20):
            async with http.post(receiver.traces, data=body, headers=JSON_HEADERS) as response:
                assert response.status == 503 and "Retry-After" in response.headers
            broker.start()
            while True:
                async with http.post(receiver.traces, data=body, headers=JSON_HEADERS) as response:
                    if response.status == 200:
                        break
        assert await of_traces(broker.bootstrap_servers, receiver, "ab" * 16)
    finally:
        receiver.process.terminate()
        receiver.process.wait(15)
        broker.stop()


async def test_beyond_loopback_a_token_is_needed(dev_broker: DevBrokerProcess, tmp_path: Path) -> None:
    outside = "receiver: {host: 0.0.0.0}"
    refused = start_receiver(tmp_path, dev_broker.bootstrap_servers, "tok-", outside)
    assert refused.process.wait(START_TIMEOUT_S) == 2
    assert f"{tmp_path / 'evalstream.yaml'}:2: receiver.host: 0.0.0.0 is beyond loopback" in refused.log.read_text()
    receiver = start_receiver(tmp_path, dev_broker.bootstrap_servers, "tok-", outside, EVALSTREAM_HTTP_TOKEN="s3cret")
    try:
        await until_ready(receiver)
        async with aiohttp.ClientSession() as http:
            for token, status in ((None, 401), ("Bearer wrong", 401), ("Bearer s3cret", 200)):
                headers = {**JSON_HEADERS, **({"Authorization": token} if token else {})}
                async with http.post(receiver.traces, data=request_json("cd" * 16), headers=headers) as response:
                    assert response.status == status
            async with http.get(receiver.url) as response:
                assert response.status == 401
    finally:
        receiver.process.terminate()
        receiver.process.wait(10)


def test_a_taken_port_is_said_plainly(dev_broker: DevBrokerProcess, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = start_receiver(tmp_path, dev_broker.bootstrap_servers, "prt-", f"receiver: {{port: {port}}}")
        found.process.terminate()
        found.process.wait(10)
        done = subprocess.run(
            [sys.executable, "-m", "streams.cli.main", "receiver", "-c", str(tmp_path / "evalstream.yaml")],
            env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": dev_broker.bootstrap_servers},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,
        )
    assert (
        done.returncode == 3 and f"cannot listen on 127.0.0.1:{port}" in done.stderr and "Traceback" not in done.stderr
    )


def _spans() -> list:  # type: ignore[type-arg]
    collected: list = []  # type: ignore[type-arg]
    provider = TracerProvider()

    class Keep:
        def on_start(self, span: object, parent_context: object = None) -> None: ...
        def on_end(self, span: object) -> None:
            collected.append(span)

        def _on_ending(self, span: object) -> None: ...
        def shutdown(self) -> None: ...
        def force_flush(self, timeout_millis: int = 0) -> bool:
            return True

    provider.add_span_processor(Keep())  # type: ignore[arg-type]
    provider.get_tracer("test").start_span("agent").end()
    return collected


def _resident_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
