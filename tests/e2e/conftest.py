"""The two worlds that end-to-end tests run in: the embedded default, and Apache Kafka with PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from schemas.settings import Topics
from tests.e2e.collector import UNPARTITIONED, Collector, Encoding, otelcol
from tests.e2e.stack import CONFIG, Stack
from tests.warehouses import postgres_databases

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
MakeStack = Callable[..., Stack]
MakeCollector = Callable[..., Collector]


@pytest.fixture(params=["embedded", "production"])
def new_stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeStack]:
    """Makes stacks in one of the worlds; they are stopped at the end."""
    stacks: list[Stack] = []
    production = request.param == "production"
    broker = request.getfixturevalue("apache_kafka" if production else "dev_broker")

    def make(config: str = CONFIG) -> Stack:
        url = request.getfixturevalue("postgres_database")() if production else None
        prefixed = config.replace("kafka: {", f"kafka: {{topic_prefix: {uuid4().hex[:8]}-, ", 1)
        stack = Stack(tmp_path / f"stack-{len(stacks)}", broker.bootstrap_servers, url, prefixed)
        stacks.append(stack)
        return stack

    yield make
    for stack in stacks:
        stack.stop()


@pytest.fixture
def new_collector() -> Iterator[MakeCollector]:
    """Makes Collectors that write to a stack's broker; they are stopped at the end."""
    otelcol()
    collectors: list[Collector] = []

    def make(stack: Stack, encoding: Encoding = "otlp_proto", partitioned: bool = True) -> Collector:
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": stack.bootstrap_servers,
            "OTLP_TOPIC": stack.topic(Topics.OTLP_SPANS),
            "OTLP_ENCODING": encoding,
        }
        collectors.append(Collector(stack.folder, environment, "" if partitioned else UNPARTITIONED))
        return collectors[-1]

    yield make
    for collector in collectors:
        collector.stop()


@pytest.fixture
def postgres_database() -> Iterator[Callable[[], str]]:
    """Makes empty databases, dropped at the end."""
    with postgres_databases() as make:
        yield make


@pytest.fixture(scope="session")
def airline() -> Path:
    """The 100 recorded runs."""
    return _data("airline_dev.otlp.jsonl.gz")


@pytest.fixture(scope="session")
def faulty_airline() -> Path:
    """The 156 runs with an injected fault each."""
    return _data("airline_dev_faults.otlp.jsonl.gz")


def _data(name: str) -> Path:
    file = DATA / name
    if not file.exists():
        pytest.skip(f"{name} is not at hand: it is not part of the repository")
    return file
