"""Publishing the records of dead letters again: read from the log where they lay, or else from what was kept of them.

Nothing is claimed that was not seen: a record is published when the bytes at its position have the digest that the letter
names. A letter is marked only after the broker has the record; a crash in between repeats a record, which changes
nothing, as every record may come twice.
"""

from __future__ import annotations

import time
from base64 import b64decode
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from schemas.errors import Unavailable
from schemas.ids import Hasher
from schemas.settings import KafkaSettings
from sinks.warehouse import StoredLetter, Warehouse
from streams.kafka.connection import client_options
from streams.kafka.inflation import INFLATES
from streams.kafka.log_range import reader
from streams.kafka.producer import Outgoing, Producer, TooLarge
from streams.kafka.stopping import stop
from streams.kafka.topics import partitions_of

FETCH_BYTES = 8 * 2**20
FETCH_MS = 2_000
READ_ON_OFFSETS = 500  # rather read over so many records than seek
SILENT_FETCHES = 10
LETTERS_AT_ONCE = 100

Outcome = Literal["requeued", "gone", "replaced", "empty", "incomplete", "whole", "too_large", "inflates"]
EXPLAINED: dict[Outcome, str] = {
    "requeued": "published again",
    "gone": "the log does not hold it any more, and its bytes were not kept",
    "replaced": "another record lies at its position (the topic was made again), and its bytes were not kept",
    "empty": "it had no value; there is nothing to publish",
    "incomplete": "the log does not hold it any more, and only its beginning was kept",
    "whole": "it stands for a trace or session put together from several records, of which only the first is known",
    "too_large": "it is larger than kafka.max_record_mb",
    "inflates": "it stands for a compressed batch larger than kafka.max_inflated_mb; allow more, then `evalstream replay`",
}


@dataclass(frozen=True, slots=True)
class Requeued:
    """What became of one letter. `origin` says where the bytes came from."""

    letter_id: str
    outcome: Outcome
    origin: Literal["log", "payload"] | None = None


async def requeue(
    letters: Sequence[StoredLetter],
    kafka: KafkaSettings,
    warehouse: Warehouse,
    hasher: Hasher,
    producer: Producer | None,
    told: Callable[[int], None] = lambda done: None,
) -> list[Requeued]:
    """Publish the records of these letters to where they came from; without a producer only look what is there.

    Raises
    ------
    Unavailable : the broker or the warehouse went away; what was published so far is marked, the rest may be asked for again.
    """
    oldest_ms = (time.time() - kafka.retention_h * 3600 / 2) * 1000
    done: list[Requeued] = []
    batch: list[tuple[StoredLetter, Requeued, Outgoing | None]] = []
    async for stored, record in records_of(letters, kafka):
        batch.append((stored, *_chosen(stored, record, hasher, oldest_ms)))
        if len(batch) >= LETTERS_AT_ONCE:
            done += await _publish(batch, warehouse, producer)
            told(len(done))
            batch = []
    done += await _publish(batch, warehouse, producer)
    told(len(done))
    return done


async def records_of(
    letters: Sequence[StoredLetter], kafka: KafkaSettings
) -> AsyncIterator[tuple[StoredLetter, Any | None]]:
    """Each letter with the record at its position, or None where the log holds none."""
    places: dict[TopicPartition, list[StoredLetter]] = defaultdict(list)
    for stored in letters:
        source = stored.letter.source
        places[TopicPartition(kafka.topic_prefix + source.topic, source.partition)].append(stored)
    consumer = reader(kafka, fetch_max_bytes=FETCH_BYTES, max_partition_fetch_bytes=FETCH_BYTES)
    admin = AIOKafkaAdminClient(**client_options(kafka))
    try:
        await consumer.start()
        await admin.start()
        known = await partitions_of(admin, sorted({tp.topic for tp in places}))
        for tp, found in places.items():
            if tp not in known[tp.topic]:
                for stored in found:
                    yield stored, None
                continue
            async for pair in _of_partition(consumer, tp, sorted(found, key=lambda s: s.letter.source.offset)):
                yield pair
    except KafkaError as error:
        raise Unavailable(f"no broker answers at {kafka.bootstrap_servers}: {error}") from error
    finally:
        await admin.close()
        await stop(consumer)


async def _of_partition(
    consumer: AIOKafkaConsumer, tp: TopicPartition, letters: Sequence[StoredLetter]
) -> AsyncIterator[tuple[StoredLetter, Any | None]]:
    consumer.assign([tp])
    first = (await consumer.beginning_offsets([tp]))[tp]
    end = (await consumer.end_offsets([tp]))[tp]
    position, held = -READ_ON_OFFSETS, {}  # so that the first is sought
    for stored in letters:
        wanted = stored.letter.source.offset
        if not first <= wanted < end:
            yield stored, None
            continue
        if wanted not in held and not position <= wanted < position + READ_ON_OFFSETS:
            consumer.seek(tp, wanted)
            position = wanted
        silent = 0
        while position <= wanted:
            fetched = (await consumer.getmany(tp, timeout_ms=FETCH_MS)).get(tp, [])
            held = {record.offset: record for record in fetched}
            silent = 0 if (moved := await consumer.position(tp)) > position else silent + 1
            position = moved
            if silent == SILENT_FETCHES:
                raise Unavailable(f"the broker gives nothing of {tp.topic}-{tp.partition} at {position}")
        yield stored, held.get(wanted)


def _chosen(
    stored: StoredLetter, record: Any | None, hasher: Hasher, oldest_ms: float
) -> tuple[Requeued, Outgoing | None]:
    """What is to be published for a letter, and from where it is."""
    letter, found = stored.letter, stored.letter_id
    source = letter.source
    if letter.reason == INFLATES:
        return Requeued(found, "inflates"), None
    if record is not None and record.value and not letter.size_bytes:
        return Requeued(found, "whole"), None
    if record is not None and hasher.digest_bytes(record.value or b"") == letter.digest:
        if record.value is None:
            return Requeued(found, "empty"), None
        again = Outgoing(source.topic, record.value, record.key, source.partition, _stamp(record.timestamp, oldest_ms))
        return Requeued(found, "requeued", "log"), again
    if letter.payload is None:
        return Requeued(found, "gone" if record is None else "replaced"), None
    data = b64decode(letter.payload)
    if _is_cut(len(data), letter.size_bytes):
        return Requeued(found, "incomplete"), None
    key = None if letter.key is None else letter.key.encode()
    stamp = _stamp(int(letter.time.timestamp() * 1000), oldest_ms)
    again = Outgoing(source.topic, data, key, source.partition, stamp)
    return Requeued(found, "requeued", "payload"), again


def _stamp(timestamp_ms: int, oldest_ms: float) -> int | None:
    """The record's own time, by which its events are dated; None, now, for one that retention would soon delete again."""
    return timestamp_ms if timestamp_ms >= oldest_ms else None


def _is_cut(kept_bytes: int, size_bytes: int) -> bool:
    """Whether only the beginning was kept. Redaction changes the length, the limit does not."""
    from streams.base.dead_letters import MAX_PAYLOAD_BYTES

    return kept_bytes >= MAX_PAYLOAD_BYTES and size_bytes > kept_bytes


async def _publish(
    batch: Sequence[tuple[StoredLetter, Requeued, Outgoing | None]], warehouse: Warehouse, producer: Producer | None
) -> list[Requeued]:
    outcomes = []
    marked = []
    for stored, outcome, outgoing in batch:
        if outgoing is not None and producer is not None:
            try:
                await producer.publish([outgoing])
                marked.append(stored.letter_id)
            except TooLarge:
                outcome = Requeued(stored.letter_id, "too_large")
        outcomes.append(outcome)
    if marked:
        warehouse.mark_requeued(marked)
    return outcomes
