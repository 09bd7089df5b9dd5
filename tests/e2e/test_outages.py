"""What is away comes back: broker and warehouse, before the start and in mid-stream; and a record that kills its worker."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from schemas.settings import Topics
from tests.brokers import DevBrokerProcess, free_port
from tests.e2e.conftest import MakeStack
from tests.e2e.hostile import Hostile, native
from tests.e2e.raw_kafka import Place, write
from tests.e2e.stack import Stack
from tests.warehouses import POSTGRES_DEFAULT

CONFIG = """\
project: demo
kafka: {session_timeout_s: 6, batch_records: 20, partitions: 4}
evaluators:
  - {type: length, target: trace, options: {max: 4000}}
  - {type: latency, options: {max_s: 30}}
"""
WORKERS = ("evaluate", "monitor")
AWAY_S = 4.0
COUNTED = "SELECT evaluator, count(DISTINCT trace_id), count(*) FROM v_scores_current GROUP BY 1 ORDER BY 1"


def traces(first: int, count: int) -> list[Hostile]:
    return [
        Hostile(f"t{n}", Topics.TRACES, orjson.dumps(native(f"t{n}")), key=f"t{n}".encode())
        for n in range(first, first + count)
    ]


@pytest.mark.timeout(240)
async def test_the_warehouse_goes_away(new_stack: MakeStack) -> None:
    """It is locked (SQLite) or takes no connections (PostgreSQL) for some seconds while traces come."""
    stack = new_stack(CONFIG)
    stack.start(*WORKERS)
    stack.ready(WORKERS)
    await write(stack, traces(0, 30))
    with _locked(stack):
        await write(stack, traces(30, 60))
        await asyncio.sleep(AWAY_S)
    await write(stack, traces(90, 30))
    stack.settle(WORKERS)
    assert stack.sql(COUNTED) == [("latency", 120, 120), ("length", 120, 120)]
    assert stack.counts()["dead_letters"] == 0
    if not stack.warehouse_url.startswith("sqlite"):  # SQLite's own patience is longer than this outage
        assert "waiting for a dependency" in stack.logs() and "the dependency is back" in stack.logs()


@contextmanager
def _locked(stack: Stack) -> Iterator[None]:
    stack.forget_connections()
    url = make_url(stack.warehouse_url)
    if url.get_backend_name() == "sqlite":
        other = sqlite3.connect(str(url.database), isolation_level=None, timeout=30)
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")
        other.close()
        return
    with create_engine(POSTGRES_DEFAULT, isolation_level="AUTOCOMMIT").connect() as server:
        server.execute(text(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS false"))
        server.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": url.database}
        )
        yield
        server.execute(text(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS true"))


@pytest.mark.timeout(240)
async def test_the_broker_goes_away(tmp_path: Path) -> None:
    """It is not there when the workers start, is killed in mid-stream, and comes back each time."""
    broker = DevBrokerProcess(tmp_path / "broker")
    broker.bootstrap_servers = f"127.0.0.1:{free_port()}"
    stack = Stack(tmp_path / "stack", broker.bootstrap_servers, config=CONFIG)
    try:
        stack.start(*WORKERS)
        _until(lambda: stack.logs().count("waiting") >= len(WORKERS), "the workers do not say that they wait")
        assert f"no broker answers at {broker.bootstrap_servers}" in stack.logs() and "Traceback" not in stack.logs()
        broker.start()
        stack.ready(WORKERS)
        await write(stack, traces(0, 60))
        broker.kill()
        await asyncio.sleep(AWAY_S)
        broker.start()
        await write(stack, traces(60, 60))
        stack.settle(WORKERS)
        assert stack.sql(COUNTED) == [("latency", 120, 120), ("length", 120, 120)]
        assert stack.counts()["dead_letters"] == 0
    finally:
        stack.stop()
        broker.stop()


@pytest.mark.timeout(240)
async def test_a_record_that_kills_its_worker(tmp_path: Path, dev_broker: DevBrokerProcess) -> None:
    """After `max_deaths` starts it is a dead letter, and all around it is scored."""
    prefixed = CONFIG.replace("kafka: {", "kafka: {topic_prefix: deadly-, ")
    stack = Stack(tmp_path, dev_broker.bootstrap_servers, config=prefixed)
    try:
        await _killed_again_and_again(stack)
    finally:
        stack.stop()


async def _killed_again_and_again(stack: Stack) -> None:
    stack.start("monitor")
    stack.ready(["monitor"])
    deadly = Hostile("deadly", Topics.TRACES, orjson.dumps(native("deadly")))
    records = [*traces(0, 20), deadly, *traces(20, 20)]
    places = dict(zip((record.name for record in records), await write(stack, records), strict=True))
    deaths = 0
    while True:
        stack.start("evaluate", crash_at="evaluate.stored@deadly")
        if not _dies(stack, "evaluate"):
            break
        deaths += 1
        assert deaths < 10, stack.logs()
    stack.settle(WORKERS)
    letters = stack.sql("SELECT source_topic, source_partition, source_offset, reason, detail FROM dead_letters")
    assert [(Place(*row[:3]), row[3]) for row in letters] == [(places["deadly"], "poison")], letters
    assert "3 starts" in letters[0][4]
    assert stack.sql(COUNTED) == [("latency", 40, 40), ("length", 40, 40)]
    # one before it is on record, one with its batch, three alone
    assert deaths <= 5
    assert stack.sql("SELECT count(*) FROM attempts") == [(0,)], "what was survived is forgotten"


def _dies(stack: Stack, name: str) -> bool:
    """Whether the worker ends by itself; no when it has read everything."""

    def decided() -> bool:
        if stack.processes[name].poll() is not None:
            return True
        return bool(stack.sql("SELECT count(*) FROM dead_letters")[0][0])

    _until(decided, "it neither dies nor comes past the record", 60)
    if stack.processes[name].poll() is None:
        return False
    stack.wait_for_death(name)
    return True


def _until(condition: Callable[[], bool], failure: str, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, failure
        time.sleep(0.2)
