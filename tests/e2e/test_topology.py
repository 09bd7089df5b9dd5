"""What docker-compose.yml starts, by hand: an instrumented program's trace goes in by OTLP and comes out as scores."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.e2e.collector import otelcol
from tests.e2e.compose import Compose
from tests.e2e.scripted_model import scripted_model
from tests.e2e.stack import Stack
from tests.e2e.test_live_program import check, run_agent

COMPONENTS = ("assemble", "evaluate", "judge", "monitor")
UNHEALTHY_S = 15.0

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def judge(tmp_path: Path) -> Iterator[str]:
    """An endpoint as a user would name it in `.env`."""
    stack = Stack(tmp_path / "judge", "")
    stack.start_judge()
    yield stack.environment["OPENAI_BASE_URL"]
    stack.stop()


@pytest.fixture
def composed(tmp_path: Path, judge: str, postgres_database: Callable[[], str]) -> Iterator[Compose]:
    otelcol()
    dotenv = {
        "EVALSTREAM_KEY": "5f" * 32,
        "POSTGRES_PASSWORD": "secret",
        "OPENAI_API_KEY": "none",
        "OPENAI_BASE_URL": judge,
    }
    services = Compose(tmp_path, dotenv, postgres_database())
    yield services
    services.down()


def test_the_services_of_the_compose_file_work_together(composed: Compose) -> None:
    pytest.importorskip("opentelemetry.instrumentation.genai.openai", reason="the instrumentation is not installed")
    composed.up()
    status = composed.run("status")
    assert status.returncode == 0, status.stdout + status.stderr
    assert composed.collector
    with scripted_model() as model:
        trace_ids = run_agent(model, composed.collector.endpoint)
    wait_for_traces(composed, len(trace_ids))
    settled = composed.run("status", "status", "--wait", "120", "--caught-up")
    assert settled.returncode == 0, settled.stdout + composed.logs()
    check(trace_ids, lambda sql: query(composed, sql))
    assert composed.written() == []

    composed.kill("judge")
    deadline = time.monotonic() + UNHEALTHY_S
    while composed.is_healthy("judge"):
        assert time.monotonic() < deadline, "the health check does not see that a worker is gone"
        time.sleep(0.5)
    assert all(composed.is_healthy(name) for name in COMPONENTS if name != "judge")


def wait_for_traces(compose: Compose, count: int) -> None:
    deadline = time.monotonic() + 60
    while query(compose, "SELECT count(*) AS n FROM traces")[0]["n"] < count:
        assert time.monotonic() < deadline, compose.logs()
        time.sleep(1)


def query(compose: Compose, sql: str) -> list[dict[str, Any]]:
    done = compose.run("status", "query", sql, "--json")
    assert done.returncode == 0, done.stderr
    return [orjson.loads(line) for line in done.stdout.splitlines()]
