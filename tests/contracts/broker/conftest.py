"""The suite's matrix: each client library against each broker."""

from __future__ import annotations

import uuid

import pytest

from tests.brokers import RunningBroker
from tests.contracts.broker.aiokafka_client import AiokafkaClient
from tests.contracts.broker.client import Client
from tests.contracts.broker.librdkafka_client import LibrdkafkaClient

CLIENTS: dict[str, type[Client]] = {"aiokafka": AiokafkaClient, "librdkafka": LibrdkafkaClient}


@pytest.fixture(params=CLIENTS)
def library(request: pytest.FixtureRequest) -> str:
    """Name of a client library."""
    return request.param


@pytest.fixture
def client(library: str, broker: RunningBroker) -> Client:
    """A client of the broker under test."""
    return CLIENTS[library](broker.bootstrap_servers)


@pytest.fixture
def name() -> str:
    """A name that no other test uses, for a topic or a group."""
    return f"suite-{uuid.uuid4().hex[:12]}"
