"""What a compressed batch may grow to.

A megabyte can be a thousand when it is inflated, and a consumer inflates before anybody has looked. So each compressed batch
is measured as it arrives, and one that grows beyond the limit, or cannot be inflated at all, becomes a single record at its last
offset that says so. That one is no trace and no request: it goes to the dead letters, and the log is read on.

An uncompressed batch is as large as it is, and the broker's limit is its own.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import cramjam
import numpy as np
from aiokafka import AIOKafkaConsumer
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from schemas.errors import InvalidRecord
from schemas.settings import KafkaSettings
from streams.kafka.record_batch import BASE_OFFSET, COMPRESSION, HEADER, TRANSACTIONAL, BatchHeader, parse

GZIP = 16 + zlib.MAX_WBITS
MAX_SAID_CHARS, ROOM_BYTES = 500, 4096
PIECE_BYTES = 2**20
XERIAL = b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"
INFLATES = "inflates"  # the reason in the dead letters
SAID = "evalstream-refused"
NO_TEXT = b"\xff"  # neither UTF-8 nor protobuf


def inflated_bytes(settings: KafkaSettings) -> int:
    """The limit in bytes."""
    return int(settings.max_inflated_mb * 2**20)


def bounded(consumer: AIOKafkaConsumer, most: int) -> AIOKafkaConsumer:
    """The consumer, to which no batch of over `most` bytes, inflated, comes any more."""
    client = consumer._client
    send = client.send

    async def checked(*arguments: Any, **options: Any) -> Any:
        response = await send(*arguments, **options)
        if type(response).__name__.startswith("FetchResponse"):
            response.topics = [
                (topic, [(*part[:-1], without_bombs(part[-1], most)) for part in parts])
                for topic, parts in response.topics
            ]
        return response

    client.send = checked
    return consumer


def refusal(record: Any) -> InvalidRecord | None:
    """Why a record stands in the place of a batch; None for any other record."""
    said = dict(record.headers).get(SAID) if record.value == NO_TEXT else None
    return None if said is None else InvalidRecord(INFLATES, said.decode())


def without_bombs(records: bytes | None, most: int) -> bytes | None:
    """Batches of one partition as fetched, those that must not be inflated replaced."""
    position, done, kept = 0, 0, []
    while records and position + HEADER.size <= len(records):
        batch = parse(records, position)
        end = position + batch.size
        if batch.magic != 2 or end > len(records) or batch.size < HEADER.size:
            break  # cut off, or of a kind that brokers since 4.0 do not keep
        codec = CODECS.get(batch.attributes & COMPRESSION)
        problem = codec and _problem(codec, records[position + HEADER.size : end], most)
        if problem:
            kept += [records[done:position], _in_place_of(batch, problem)]
            done = end
        position = end
    return b"".join([*kept, records[done:]]) if records and kept else records


def _problem(codec: Codec, payload: bytes, most: int) -> str:
    try:
        size = codec(payload, most)
    except Exception as error:  # whatever a library says of bytes that are no frame of its own
        return f"it cannot be inflated: {error}"
    return f"inflated it is larger than kafka.max_inflated_mb ({most / 2**20:g} MB)" if size > most else ""


def _in_place_of(batch: BatchHeader, problem: str) -> bytes:
    """A batch with the place and the producer of `batch`, and one record."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=bool(batch.attributes & TRANSACTIONAL),
        producer_id=batch.producer_id,
        producer_epoch=batch.producer_epoch,
        base_sequence=batch.base_sequence,
        batch_size=ROOM_BYTES,
    )
    said = f"a compressed batch of {batch.size} bytes, {batch.record_count} records up to this offset: {problem}"
    builder.append(
        batch.last_offset_delta, batch.max_timestamp, None, NO_TEXT, [(SAID, said[:MAX_SAID_CHARS].encode())]
    )
    built = bytes(builder.build())
    return BASE_OFFSET.pack(batch.base_offset) + built[BASE_OFFSET.size :]


# --- sizes: more than `most` stands for all that is more ---------------------------------------------------------------

Codec = Callable[[bytes, int], int]


def _gzip(payload: bytes, most: int) -> int:
    size = 0
    while payload and size <= most:
        inflate = zlib.decompressobj(GZIP)
        while not inflate.eof and size <= most:
            piece = inflate.decompress(payload, PIECE_BYTES)
            if not piece and not inflate.eof:
                raise ValueError("it is cut short")
            payload, size = inflate.unconsumed_tail, size + len(piece)
        payload = inflate.unused_data.lstrip(b"\0")
    return size


def _snappy(payload: bytes, most: int) -> int:
    if not payload.startswith(XERIAL):
        return _snappy_block(payload, most)
    size, position = 0, len(XERIAL)
    while position < len(payload) and size <= most:
        (length,) = struct.unpack_from(">i", payload, position)
        size += _snappy_block(payload[position + 4 : position + 4 + length], most - size)
        position += 4 + length
    return size


def _snappy_block(block: bytes, most: int) -> int:
    size = int(cramjam.snappy.decompress_raw_len(block))
    return size if size > most else len(cramjam.snappy.decompress_raw(block))


def _framed(library: Any) -> Codec:
    def size(payload: bytes, most: int) -> int:
        try:
            return int(library.decompress_into(payload, np.empty(most + 1, np.uint8)))
        except cramjam.DecompressionError as error:
            if "whole buffer" in str(error):
                return most + 1
            raise

    return size


CODECS: dict[int, Codec] = {1: _gzip, 2: _snappy, 3: _framed(cramjam.lz4), 4: _framed(cramjam.zstd)}
