"""Traces that flow while things fail: recorded runs under ids of their own, published as a Collector would."""

from __future__ import annotations

import asyncio
import gzip
import random
import threading
import time
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.settings import Topics
from tests.brokers import ROOT
from tests.e2e.stack import Stack

RECORDED = ROOT / "examples" / "traces"
FILES = ("airline.otlp.jsonl.gz", "airline_faulty.otlp.jsonl.gz")
TRIES_S = 120.0

Record = tuple[bytes, bytes]
"""(trace id, OTLP/JSON)"""


def piece(number: int) -> list[Record]:
    """The recorded runs, good and faulty in turn, under ids that belong to this piece."""
    lines = gzip.decompress((RECORDED / FILES[number % len(FILES)]).read_bytes()).splitlines()
    return [_renamed(line, number) for line in lines]


def _renamed(line: bytes, number: int) -> Record:
    old = orjson.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"].encode()
    new = blake2b(old + str(number).encode(), digest_size=16).hexdigest().encode()
    return new, line.replace(old, new)


def as_file(records: list[Record], file: Path) -> Path:
    """For `evalstream run`."""
    file.write_bytes(b"".join(line + b"\n" for _, line in records))
    return file


class Traffic:
    """Publishes records in a thread, evenly over `seconds`, each until the broker has it.

    Parameters
    ----------
    repeat : how often each record is sent; more than once in an order of chance.
    """

    def __init__(self, stack: Stack, records: list[Record], seconds: float, repeat: int = 1) -> None:
        self._stack, self._seconds = stack, seconds
        self._records = [record for record in records for _ in range(repeat)]
        if repeat > 1:
            random.Random(3).shuffle(self._records)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait until everything is published."""
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            asyncio.run(self._publish())
        except BaseException as error:
            self._error = error

    async def _publish(self) -> None:
        began = time.monotonic()
        producer: Any = None
        for number, (trace_id, line) in enumerate(self._records):
            await asyncio.sleep(max(began + self._seconds * number / len(self._records) - time.monotonic(), 0))
            deadline = time.monotonic() + TRIES_S
            while True:
                try:
                    producer = producer or await _started(self._stack.bootstrap_servers)
                    await asyncio.wait_for(
                        producer.send_and_wait(self._stack.prefix + Topics.OTLP_SPANS, line, key=trace_id), 10
                    )
                    break
                except (KafkaError, TimeoutError, OSError):
                    if time.monotonic() > deadline:
                        raise
                    if producer is not None:
                        await producer.stop()
                        producer = None
                    await asyncio.sleep(0.5)
        if producer is not None:
            await producer.stop()


async def _started(servers: str) -> AIOKafkaProducer:
    producer = AIOKafkaProducer(bootstrap_servers=servers, enable_idempotence=True, max_request_size=8 * 2**20)
    try:
        await producer.start()
    except BaseException:
        await producer.stop()
        raise
    return producer
