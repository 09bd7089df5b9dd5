"""A small durable Kafka-protocol broker for one machine: the first five minutes, and tests without Java.

Not for production: one node, loopback only, no replication. See docs/decisions/0002-dev-broker.md.
"""

from __future__ import annotations

from streams.devbroker.server import DevBroker
from streams.devbroker.settings import DevBrokerSettings

__all__ = ["DevBroker", "DevBrokerSettings"]
