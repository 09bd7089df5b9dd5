"""Writing to Kafka: a batch of records, every acknowledgement awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from schemas.errors import InvalidRecord, Unavailable
from schemas.settings import KafkaSettings
from streams.kafka.connection import client_options, why_no_answer

LINGER_MS = 5
BATCH_BYTES = 256 * 1024


class Outgoing(NamedTuple):
    """One record to be written. `topic` is without the configured prefix."""

    topic: str
    value: bytes
    key: bytes | None = None
    partition: int | None = None
    timestamp_ms: int | None = None


class TooLarge(InvalidRecord):
    """A record is beyond what the topic takes."""

    def __init__(self, detail: str) -> None:
        super().__init__("too_large", detail)


class Producer:
    """An idempotent producer; order within a partition is kept.

    Errors of the broker are raised as `Unavailable`: nothing was acknowledged, all of the batch may be written again.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._client: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect; raises `Unavailable` while no broker answers, `ConfigError` when one refuses us."""
        client = AIOKafkaProducer(
            **client_options(self._settings),
            acks="all",
            enable_idempotence=True,
            linger_ms=LINGER_MS,
            max_batch_size=BATCH_BYTES,
            max_request_size=self.max_record_bytes,
            compression_type="lz4",
            request_timeout_ms=30_000,
        )
        try:
            await client.start()
        except KafkaError as error:
            await client.stop()
            raise await why_no_answer(self._settings, error) from error
        self._client = client

    async def close(self) -> None:
        if self._client is not None:
            await self._client.stop()

    @property
    def max_record_bytes(self) -> int:
        return int(self._settings.max_record_mb * 2**20)

    async def publish(self, records: Iterable[Outgoing]) -> int:
        """Write `records` and wait until the broker has them all; how many there were.

        Raises
        ------
        TooLarge : a record is larger than `kafka.max_record_mb`.
        Unavailable : the broker did not acknowledge every record.
        """
        if self._client is None:
            raise Unavailable("the producer is not connected yet")
        prefix = self._settings.topic_prefix
        pending = []
        try:
            for record in records:
                pending.append(
                    await self._client.send(
                        prefix + record.topic,
                        record.value,
                        key=record.key,
                        partition=record.partition,
                        timestamp_ms=record.timestamp_ms,
                    )
                )
            await asyncio.gather(*pending)
        except MessageSizeTooLargeError as error:
            raise TooLarge(str(error)) from error
        except KafkaError as error:
            raise Unavailable(f"the broker did not take a record: {error!r}") from error
        return len(pending)
