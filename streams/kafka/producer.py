"""Writing to Kafka: a batch of records, every acknowledgement awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from schemas.errors import InvalidRecord, Unavailable
from schemas.settings import KafkaSettings
from streams.kafka.connection import client_options, why_no_answer
from streams.kafka.stopping import end_producer

LINGER_MS = 5
BATCH_BYTES = 256 * 1024
ACKNOWLEDGED_S = 60.0

log = structlog.get_logger()


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

    Errors of the broker are raised as `Unavailable`: not everything was acknowledged, all of the batch may be written again. The
    next batch then has a new client: of aiokafka's, one may never recover. It counts a batch that it gives up, so that the broker
    takes no later one for the next in order, and does not start tasks again that have ended by an error.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._client: AIOKafkaProducer | None = None
        self._attempt: asyncio.Task[AIOKafkaProducer] | None = None

    async def start(self) -> None:
        """Connect; raises `Unavailable` while no broker answers, `ConfigError` when one refuses us."""
        await self._connected()

    async def close(self) -> None:
        if self._attempt is not None:
            self._attempt.cancel()
        client, self._client = self._client, None
        if client is not None:
            await end_producer(client)

    @property
    def max_record_bytes(self) -> int:
        return int(self._settings.max_record_mb * 2**20)

    async def publish(self, records: Iterable[Outgoing]) -> int:
        """Write `records` and wait until the broker has them all; how many there were.

        Raises
        ------
        TooLarge : a record is larger than `kafka.max_record_mb`.
        Unavailable : the broker did not acknowledge every record within `ACKNOWLEDGED_S`.
        """
        client = await self._connected()
        try:
            async with asyncio.timeout(ACKNOWLEDGED_S):
                return await self._publish(client, records)
        except MessageSizeTooLargeError as error:
            raise TooLarge(str(error)) from error
        except TimeoutError:
            await self._replace(client)
            raise Unavailable(f"the broker did not acknowledge within {ACKNOWLEDGED_S:g} s") from None
        except (KafkaError, RuntimeError) as error:
            await self._replace(client)
            raise Unavailable(f"the broker did not take a record: {error!r}") from error

    async def _publish(self, client: AIOKafkaProducer, records: Iterable[Outgoing]) -> int:
        prefix = self._settings.topic_prefix
        pending = []
        for record in records:
            pending.append(
                await client.send(
                    prefix + record.topic,
                    record.value,
                    key=record.key,
                    partition=record.partition,
                    timestamp_ms=record.timestamp_ms,
                )
            )
        await asyncio.gather(*pending)
        return len(pending)

    async def _replace(self, client: AIOKafkaProducer) -> None:
        """Have the next batch connect anew."""
        if self._client is client:
            log.info("the producer is replaced")
            await self.close()

    async def _connected(self) -> AIOKafkaProducer:
        """The client; all who need a new one wait for the same attempt."""
        if self._client is not None:
            return self._client
        if self._attempt is None or self._attempt.done():
            self._attempt = asyncio.create_task(self._connect())
        return await asyncio.shield(self._attempt)

    async def _connect(self) -> AIOKafkaProducer:
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
        except BaseException as error:
            await end_producer(client)
            if isinstance(error, KafkaError):
                raise await why_no_answer(self._settings, error) from error
            raise
        self._client = client
        return client
