"""An instrumented program → the real Collector with our configuration → Kafka → scores in PostgreSQL."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from tests.brokers import ROOT, RunningBroker, free_port
from tests.e2e.stack import CONFIG, Stack

OTELCOL = Path(os.environ.get("EVALSTREAM_TEST_OTELCOL") or ROOT.parent / "shared" / "otelcol" / "otelcol")
START_S = 20

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not OTELCOL.exists(), reason="no OpenTelemetry Collector: set EVALSTREAM_TEST_OTELCOL"),
]


@contextmanager
def collector(folder: Path, bootstrap_servers: str, topic: str, encoding: str) -> Iterator[str]:
    """The Collector as docker-compose.yml runs it, on loopback; its OTLP/HTTP address."""
    port = free_port()
    environment = {
        "OTLP_HOST": "127.0.0.1",
        "OTLP_HTTP_PORT": str(port),
        "OTLP_GRPC_PORT": str(free_port()),
        "OTLP_TOPIC": topic,
        "OTLP_ENCODING": encoding,
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
    }
    with (folder / "otelcol.log").open("wb") as log:
        process = subprocess.Popen(
            [OTELCOL, "--config", ROOT / "docker" / "otelcol.yaml"],
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, (folder / "otelcol.log").read_text()
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize("encoding", ["otlp_proto", "otlp_json"])
def test_collector_to_kafka_to_postgresql(
    apache_kafka: RunningBroker, postgres_database: Callable[[], str], tmp_path: Path, encoding: str
) -> None:
    prefix = f"{uuid4().hex[:8]}-"
    config = CONFIG.replace("kafka: {", f"kafka: {{topic_prefix: {prefix}, ", 1)
    stack = Stack(tmp_path, apache_kafka.bootstrap_servers, postgres_database(), config)
    try:
        stack.start_judge()
        stack.start()
        stack.ready()
        model = stack.environment["OPENAI_BASE_URL"]
        with collector(tmp_path, apache_kafka.bootstrap_servers, f"{prefix}otlp_spans", encoding) as address:
            program = [sys.executable, ROOT / "tests" / "e2e" / "agent_program.py", address, model]
            done = subprocess.run(program, capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr
            trace_id = done.stdout.split()[-1]
            wait_for_trace(stack, trace_id)
        stack.settle()
        check(stack, trace_id)
    finally:
        stack.stop()


def wait_for_trace(stack: Stack, trace_id: str) -> None:
    deadline = time.monotonic() + 60
    while not stack.sql(f"SELECT 1 FROM traces WHERE trace_id = '{trace_id}'"):
        assert time.monotonic() < deadline, stack.logs()
        time.sleep(0.3)


def check(stack: Stack, trace_id: str) -> None:
    """The spans say what was said and done, and each applicable evaluator decided once."""
    [why] = stack.cli("why", trace_id)
    assert why["trace"]["project"] == "live-agent"
    spans = {
        kind: (name, model, messages, result)
        for kind, name, model, messages, result in stack.sql(
            "SELECT kind, name, response_model, input_messages::text, result::text FROM v_spans "
            f"WHERE trace_id = '{trace_id}'"
        )
    }
    assert spans.keys() == {"agent", "llm", "tool"}
    assert "scripted" in spans["llm"][1] and "Where is Ana?" in spans["llm"][2]
    assert "upstream timeout" in spans["tool"][3]
    current = [d for d in why["decisions"] if d["current"]]
    names = [d["evaluator"] for d in current]
    assert names.count("tool_error_as_success") == 1 and names.count("tokens") == 1
    [error] = [d for d in current if d["evaluator"] == "tool_error_as_success"]
    assert error["passed"] is False and error["blamed_span_id"] == error["span_id"]
    assert not [d for d in current if d["status"] == "failed"]
