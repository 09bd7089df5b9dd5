"""Files of traces as Kafka records: to the topic of their kind, keyed by trace id, in bounded batches."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from schemas.errors import InvalidRecord
from schemas.files import FileRecord, read_file
from schemas.ids import Hasher
from schemas.native import read_trace
from schemas.settings import Topics
from streams.kafka.otlp_records import RECORD_OVERHEAD_BYTES, prepare
from streams.kafka.producer import Outgoing, Producer

BATCH_RECORDS, BATCH_BYTES = 200, 8 * 2**20
_UNKEPT = Hasher(b"only to read a trace; no digest of it is kept")


class Problem(NamedTuple):
    """A line that was left out. `place` is FILE:LINE."""

    place: str
    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}: {self.detail}"


@dataclass
class Tally:
    """What was published, and what was not."""

    records: int = 0
    size_bytes: int = 0
    trace_ids: set[str] = field(default_factory=set)
    topics: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)


async def publish_files(
    files: Sequence[Path],
    producer: Producer,
    on_progress: Callable[[Tally], None],
    on_problem: Callable[[Problem], None],
) -> Tally:
    """Publish `files` in order; a bad line is told and left out. One batch is in flight while the next is read.

    Raises
    ------
    Unavailable : a batch was not acknowledged.
    """
    tally, reader = Tally(), _Reader(producer.max_record_bytes)
    flying: asyncio.Task[int] | None = None
    batches = iter(_batches(_records(files, reader)))
    try:
        while batch := await asyncio.to_thread(next, batches, None):
            if flying is not None:
                await flying
            flying = asyncio.create_task(producer.publish(batch))
            tally.records += len(batch)
            tally.size_bytes += sum(len(record.value) for record in batch)
            tally.topics.update(record.topic for record in batch)
            for problem in reader.take_problems():
                tally.problems.append(problem)
                on_problem(problem)
            on_progress(tally)
        if flying is not None:
            await flying
    finally:
        if flying is not None and not flying.done():
            flying.cancel()
    for problem in reader.take_problems():
        tally.problems.append(problem)
        on_problem(problem)
    tally.trace_ids = reader.trace_ids
    return tally


class _Reader:
    """Records of one line; remembers the ids it saw, and what was wrong."""

    def __init__(self, max_record_bytes: int) -> None:
        self._limit = max_record_bytes
        self._problems: list[Problem] = []
        self.trace_ids: set[str] = set()

    def take_problems(self) -> list[Problem]:
        found, self._problems = self._problems, []
        return found

    def refuse(self, problem: Problem) -> None:
        self._problems.append(problem)

    def read(self, record: FileRecord) -> list[Outgoing]:
        """Raises `InvalidRecord`."""
        if record.kind == "native":
            return [self._native(record.data)]
        found = prepare(record.data, "auto", self._limit)
        self.trace_ids.update(trace_id for trace_id, _ in found.records)
        if found.too_large:
            raise InvalidRecord("too_large", f"{found.too_large} spans are larger than a record may be")
        if len(found.records) > 1 and len(record.data) + RECORD_OVERHEAD_BYTES <= self._limit:
            return [Outgoing(Topics.OTLP_SPANS, record.data)]  # several traces as they came: assemble splits them
        return [Outgoing(Topics.OTLP_SPANS, value, key=trace_id.encode()) for trace_id, value in found.records]

    def _native(self, data: bytes) -> Outgoing:
        trace_id = read_trace(data, _UNKEPT, default_project="", default_environment="").trace_id
        if len(data) + RECORD_OVERHEAD_BYTES > self._limit:
            raise InvalidRecord("too_large", f"a record may have {self._limit} bytes, this trace has {len(data)}")
        self.trace_ids.add(trace_id)
        return Outgoing(Topics.TRACES, data, key=trace_id.encode())


def lines_of(file: Path, on_problem: Callable[[Problem], None]) -> Iterator[tuple[str, FileRecord]]:
    """The readable records of a file with their places; the others are told."""
    for record in read_file(file):
        if isinstance(record, InvalidRecord):
            place, _, detail = record.detail.partition(": ")
            on_problem(Problem(place, record.reason, detail))
        else:
            yield f"{file}:{record.line}", record


def _records(files: Iterable[Path], reader: _Reader) -> Iterator[Outgoing]:
    for file in files:
        for place, record in lines_of(file, reader.refuse):
            try:
                yield from reader.read(record)
            except InvalidRecord as error:
                reader.refuse(Problem(place, error.reason, error.detail))


def _batches(records: Iterator[Outgoing]) -> Iterator[list[Outgoing]]:
    batch: list[Outgoing] = []
    size = 0
    for record in records:
        batch.append(record)
        size += len(record.value)
        if len(batch) >= BATCH_RECORDS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
