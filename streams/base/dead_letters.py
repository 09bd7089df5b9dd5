"""Where records go that cannot be read: the warehouse and the topic `dead_letters`, before they are acknowledged."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from typing import Any

import structlog

from schemas.dead_letter import DeadLetter
from schemas.errors import InvalidRecord
from schemas.settings import Topics
from schemas.source import Source
from streams.base.context import Context
from streams.kafka.batch import Batch
from streams.kafka.clock import record_time
from streams.kafka.inflation import refusal
from streams.kafka.producer import Outgoing

log = structlog.get_logger(__name__)

MAX_PAYLOAD_BYTES = 1_000_000
MAX_DETAIL_CHARS = 2_000


class DeadLetters:
    """The dead letters of one component, counted by reason."""

    def __init__(self, component: str, context: Context) -> None:
        self._component, self._context = component, context
        self.counts: Counter[str] = Counter()

    def letter(self, record: Any, topic: str, epoch: int, error: Exception) -> DeadLetter:
        """The dead letter of one raw record. An error that is no `InvalidRecord` is ours, and says so."""
        value = record.value or b""
        error = refusal(record) or error
        known = isinstance(error, InvalidRecord)
        payload = None
        if self._context.settings.redaction.keep_dead_letter_payloads:
            payload = b64encode(self._context.redactor.bytes(value)[:MAX_PAYLOAD_BYTES]).decode()
        return DeadLetter(
            component=self._component,
            reason=error.reason if known else "internal_error",  # type: ignore[attr-defined]
            detail=(error.detail if known else f"{type(error).__name__}: {error}")[:MAX_DETAIL_CHARS],  # type: ignore[attr-defined]
            source=Source(topic=topic, partition=record.partition, offset=record.offset, epoch=epoch),
            digest=self._context.hasher.digest_bytes(value),
            size_bytes=len(value),
            key=_readable_key(record.key),
            time=record_time(record),
            payload=payload,
        )

    async def bury(self, batch: Batch | None, letters: Sequence[DeadLetter]) -> None:
        """Store and publish; returns when both are durable."""
        if not letters:
            return
        for letter in letters:
            self.counts[letter.reason] += 1
            reason = self._context.metrics.bounded("dead letter", letter.reason)
            self._context.metrics.dead_letters.labels(reason).inc()
            log.warning("dead letter", reason=letter.reason, detail=letter.detail, source=letter.source.model_dump())
        context = self._context
        await context.in_thread(batch, "dead letters", lambda: context.warehouse.write_dead_letters(letters))
        outgoing = [Outgoing(Topics.DEAD_LETTERS, letter.to_bytes(), letter.letter_id.encode()) for letter in letters]
        await context.patiently(batch, "dead letters", lambda: context.producer.publish(outgoing))


def _readable_key(key: bytes | None) -> str | None:
    return None if key is None else key[:100].decode("utf-8", "backslashreplace")
