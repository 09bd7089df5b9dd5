"""An instrumented program → the real Collector with our configuration → Kafka → scores in PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from tests.brokers import ROOT, RunningBroker
from tests.e2e.conftest import MakeCollector
from tests.e2e.stack import CONFIG, Stack

pytestmark = pytest.mark.timeout(300)


def test_collector_to_kafka_to_postgresql(
    apache_kafka: RunningBroker,
    postgres_database: Callable[[], str],
    new_collector: MakeCollector,
    tmp_path: Path,
) -> None:
    prefix = f"{uuid4().hex[:8]}-"
    config = CONFIG.replace("kafka: {", f"kafka: {{topic_prefix: {prefix}, ", 1)
    stack = Stack(tmp_path, apache_kafka.bootstrap_servers, postgres_database(), config)
    try:
        stack.start_judge()
        stack.start()
        stack.ready()
        model = stack.environment["OPENAI_BASE_URL"]
        address = new_collector(stack, "otlp_json").endpoint
        program = [sys.executable, str(ROOT / "tests" / "e2e" / "agent_program.py"), address, model]
        done = subprocess.run(program, capture_output=True, text=True, timeout=180)
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
