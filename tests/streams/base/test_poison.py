"""Which records a worker takes up, and in what cuts, after starts that died."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from schemas.ids import Hasher
from schemas.settings import KafkaSettings, Settings, SourceMap, Topics
from sinks.redact import Redactor
from sinks.warehouse import Warehouse
from streams.base.context import Abandoned, Context
from streams.base.dead_letters import DeadLetters
from streams.base.poison import PoisonGuard
from streams.kafka.batch import Batch
from streams.kafka.producer import Producer
from streams.kafka.topics import ensure_topics
from tests.brokers import DevBrokerProcess

HASHER = Hasher(b"tests")


class _Death(BaseException):
    """What happens to the process; nothing runs after it."""


class Worker:
    """Starts of a worker at the same place; `generation` is that of its consumer group."""

    def __init__(self, warehouse: Warehouse, producer: Producer) -> None:
        self.generation = 1
        self._settings = Settings()
        self._context = Context(
            settings=self._settings,
            source=SourceMap("", None),
            warehouse=warehouse,
            producer=producer,
            hasher=HASHER,
            redactor=Redactor(self._settings.redaction, HASHER),
            partitions={Topics.TRACES: 4},
            generation=lambda: self.generation,
        )
        self.start()

    def start(self) -> None:
        """A new process knows nothing."""
        self.letters = DeadLetters("evaluate", self._context)
        self.guard = PoisonGuard("evaluate", self._context, self.letters)

    def batch(self, *offsets: int, partition: int = 0) -> Batch:
        records = [
            SimpleNamespace(offset=n, partition=partition, value=b"x", key=b"k", timestamp=1_767_225_600_000)
            for n in offsets
        ]
        event: Any = SimpleNamespace(message=SimpleNamespace(offset=offsets[-1], value=records), ack=lambda: None)
        return Batch(Topics.TRACES, partition, self.generation, offsets[-1] + 1, records, event)

    async def cuts(self, batch: Batch, deadly: int | None = None) -> list[list[int]]:
        """The cuts that were worked on; the process dies at the record `deadly`."""
        found = []

        async def work(part: Batch) -> None:
            found.append([record.offset for record in part.records])
            if deadly in found[-1]:
                raise _Death

        with suppress(_Death):
            await self.guard.work_on(batch, 0, work)
            return found
        self.start()
        return found


@pytest.fixture
async def worker(sqlite_warehouse: Warehouse, dev_broker: DevBrokerProcess) -> AsyncIterator[Worker]:
    kafka = KafkaSettings(bootstrap_servers=dev_broker.bootstrap_servers, topic_prefix="poison-")
    await ensure_topics(kafka)
    producer = Producer(kafka)
    await producer.start()
    yield Worker(sqlite_warehouse, producer)
    await producer.close()


async def test_work_that_goes_well_is_not_cut(worker: Worker) -> None:
    assert await worker.cuts(worker.batch(0, 1, 2)) == [[0, 1, 2]]
    assert await worker.cuts(worker.batch(3, 4)) == [[3, 4]]
    assert _attempts(worker) == 0


async def test_a_deadly_record_is_left_out_after_three_deaths(worker: Worker) -> None:
    batch = worker.batch(5, 6, 7)
    assert await worker.cuts(batch, deadly=6) == [[5, 6, 7]]
    for _ in range(3):
        assert await worker.cuts(batch, deadly=6) == [[5], [6]], "record by record, until the deadly one"
    assert await worker.cuts(batch, deadly=6) == [[5], [7]]
    assert worker.letters.counts == {"poison": 1}
    [letter] = _rows(worker, "SELECT source_offset, reason, component, size_bytes FROM dead_letters")
    assert letter == (6, "poison", "evaluate", 1)
    assert _attempts(worker) == 0
    assert await worker.cuts(worker.batch(8, 9)) == [[8, 9]], "what comes behind it is whole again"


async def test_a_death_elsewhere_is_forgiven(worker: Worker) -> None:
    """Two deaths with luck in between are not added up."""
    batch = worker.batch(0, 1)
    for _ in range(5):
        assert await worker.cuts(batch, deadly=1) == [[0, 1]]
        assert await worker.cuts(batch) == [[0], [1]]
        worker.start()
    assert worker.letters.counts == {}


async def test_however_the_log_is_cut_a_deadly_record_has_as_many_starts(worker: Worker) -> None:
    """The first offset moves with the commit, and a batch may hold more or fewer records than the one that died."""
    assert await worker.cuts(worker.batch(*range(100, 140)), deadly=130) == [[*range(100, 140)]]
    assert await worker.cuts(worker.batch(*range(90, 100)), deadly=130) == [[*range(90, 100)]], "not where it died"
    assert await worker.cuts(worker.batch(*range(100, 120)), deadly=130) == [[n] for n in range(100, 120)]
    for _ in range(3):
        cuts = await worker.cuts(worker.batch(*range(125, 160)), deadly=130)
        assert cuts == [[n] for n in range(125, 131)], "the rest of the range still counts"
    await worker.cuts(worker.batch(*range(120, 140)), deadly=130)
    assert worker.letters.counts == {"poison": 1}
    assert await worker.cuts(worker.batch(*range(140, 160))) == [[n] for n in range(140, 160)]
    assert _attempts(worker) == 0


async def test_work_that_is_taken_away_is_no_death(worker: Worker) -> None:
    """A partition that moves from worker to worker in a storm of rebalances must not bury what nobody finishes."""

    async def taken_away(part: Batch) -> None:
        raise Abandoned("moved")

    for _ in range(6):
        with pytest.raises(Abandoned):
            await worker.guard.work_on(worker.batch(0, 1), 0, taken_away)
        worker.start()
    assert _attempts(worker) == 0
    assert await worker.cuts(worker.batch(0, 1), deadly=1) == [[0, 1]]
    assert await worker.cuts(worker.batch(0, 1), deadly=1) == [[0], [1]]
    for _ in range(6):
        with pytest.raises(Abandoned):
            await worker.guard.work_on(worker.batch(1), 0, taken_away)
        worker.start()
    assert await worker.cuts(worker.batch(0, 1)) == [[0], [1]] and worker.letters.counts == {}


async def test_each_partition_has_its_own_count(worker: Worker) -> None:
    assert await worker.cuts(worker.batch(0, 1), deadly=1) == [[0, 1]]
    assert await worker.cuts(worker.batch(0, 1, partition=3)) == [[0, 1]]
    assert await worker.cuts(worker.batch(0, 1)) == [[0], [1]]


def _attempts(worker: Worker) -> int:
    return int(_rows(worker, "SELECT count(*) FROM attempts")[0][0])


def _rows(worker: Worker, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in worker._context.warehouse.query(sql).rows]
