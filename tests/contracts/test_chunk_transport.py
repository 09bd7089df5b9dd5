"""The chunk transport against real brokers: no record is lost, whatever is killed and whenever."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.brokers import RunningBroker

ROOT = Path(__file__).resolve().parents[2]
PARTITIONS = 4
DEADLINE_S = 180


class Workers:
    """Processes that read one topic as one group."""

    def __init__(self, broker: RunningBroker, topic: str, output: Path, *arguments: str) -> None:
        self.group = uuid4().hex[:8]
        self._command = [
            sys.executable, "-m", "tests.streams.kafka.chunk_worker", "--bootstrap", broker.bootstrap_servers,
            "--topic", topic, "--group", self.group, "--output", str(output), *arguments,
        ]  # fmt: skip
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        self.running.append(
            subprocess.Popen(self._command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )

    def end(self, number: int, how: int) -> None:
        process = self.running.pop(number)
        process.send_signal(how)
        process.wait(30)

    def end_all(self) -> None:
        while self.running:
            self.end(0, signal.SIGKILL)


async def make_topic(broker: RunningBroker, partitions: int = PARTITIONS, **config: str) -> str:
    topic = f"chunks-{uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    await admin.start()
    await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=config)])
    await admin.close()
    return topic


async def fill(broker: RunningBroker, topic: str, values: range) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers, linger_ms=5)
    await producer.start()
    sent = [await producer.send(topic, str(v).encode(), partition=v % PARTITIONS) for v in values]
    await asyncio.gather(*sent)
    await producer.stop()


def seen(output: Path) -> Counter[int]:
    text = output.read_text() if output.exists() else ""
    return Counter(int(line.split()[2]) for line in text[: text.rfind("\n") + 1].splitlines())


async def committed(broker: RunningBroker, group: str, topic: str, partitions: int = PARTITIONS) -> dict[int, int]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap_servers, group_id=f"evalstream-{group}", enable_auto_commit=False
    )
    await consumer.start()
    try:
        return {p: await consumer.committed(TopicPartition(topic, p)) or 0 for p in range(partitions)}
    finally:
        await consumer.stop()


async def until(condition, seconds: float = DEADLINE_S) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        await asyncio.sleep(0.2)
    return bool(condition())


@pytest.mark.parametrize("hold", [0, 5], ids=["prompt", "late, out of order"])
async def test_kills_and_rebalances_lose_nothing(broker: RunningBroker, tmp_path: Path, hold: int) -> None:
    topic, count, dice = await make_topic(broker), 12_000, random.Random(7)
    output = tmp_path / "seen"
    workers = Workers(broker, topic, output, "--hold", str(hold), "--work-s", "0.02", "--chunk", "50")
    try:
        workers.start()
        workers.start()
        for part in range(4):
            await fill(broker, topic, range(part * count // 4, (part + 1) * count // 4))
            await asyncio.sleep(dice.uniform(0.2, 1.5))
            how = signal.SIGKILL if part % 2 == 0 else signal.SIGTERM
            workers.end(dice.randrange(len(workers.running)), how)
            workers.start()
        assert await until(lambda: len(seen(output)) == count), f"{count - len(seen(output))} of {count} were lost"
        await asyncio.sleep(1.5)
        for number in range(len(workers.running)):
            workers.running[number].send_signal(signal.SIGTERM)
        for process in workers.running:
            process.wait(30)
        assert sum((await committed(broker, workers.group, topic)).values()) == count
    finally:
        workers.end_all()


async def test_a_chunk_that_is_not_acknowledged_holds_the_commit_back(broker: RunningBroker, tmp_path: Path) -> None:
    topic, output = await make_topic(broker), tmp_path / "seen"
    await fill(broker, topic, range(2_000))
    workers = Workers(broker, topic, output, "--hold", "100000")
    try:
        workers.start()
        # chunks are held until the worker's idle loop releases them; kill it while some are still held
        assert await until(lambda: len(seen(output)) >= 500)
        workers.end(0, signal.SIGKILL)
        marks = await committed(broker, workers.group, topic)
        first = seen(output)
        behind = {v for v in first if v // PARTITIONS >= marks[v % PARTITIONS]}
        assert behind, "nothing was held: the test shows nothing"
        workers.start()
        assert await until(lambda: len(seen(output)) == 2_000 and all(seen(output)[v] > first[v] for v in behind))
    finally:
        workers.end_all()


async def test_a_seek_counts_for_what_is_fetched_after_it(broker: RunningBroker, tmp_path: Path) -> None:
    """What was fetched before, and comes to the worker after it, is not taken for what was asked for."""
    topic, output = await make_topic(broker), tmp_path / "seen"
    first, second = range(0, 40, PARTITIONS), range(40, 80, PARTITIONS)
    await fill(broker, topic, first)
    workers = Workers(broker, topic, output, "--seek-at", "1", "--work-s", "0.05")
    try:
        workers.start()
        assert await until(lambda: first[0] in seen(output))
        await fill(broker, topic, second)  # while the worker is busy
        assert await until(lambda: second[-1] in seen(output))
        lines = [line.split() for line in output.read_text().splitlines()]
        assert [int(offset) for _, offset, _, seeks in lines if seeks == "0"] == list(range(10))
        assert [int(offset) for _, offset, _, seeks in lines if seeks == "1"] == list(range(20))
        await asyncio.sleep(1.5)  # what is seen is acknowledged a moment later
        workers.end(0, signal.SIGTERM)
        assert (await committed(broker, workers.group, topic))[0] == 20
    finally:
        workers.end_all()


async def test_gaps_of_transactions(apache_kafka: RunningBroker, tmp_path: Path) -> None:
    """Aborted records are not delivered; markers at the end do not hold the commit back."""
    topic, output = await make_topic(apache_kafka), tmp_path / "seen"
    producer = AIOKafkaProducer(bootstrap_servers=apache_kafka.bootstrap_servers, transactional_id=uuid4().hex)
    await producer.start()
    for number in range(20):
        await producer.begin_transaction()
        for value in range(number * 100, number * 100 + 100):
            await producer.send(topic, str(value).encode(), partition=value % PARTITIONS)
        await (producer.abort_transaction() if number % 4 == 3 else producer.commit_transaction())
    await producer.stop()
    wanted = {v for v in range(2_000) if (v // 100) % 4 != 3}
    workers = Workers(apache_kafka, topic, output, "--work-s", "0.05", "--chunk", "30")
    try:
        workers.start()
        assert await until(lambda: len(seen(output)) >= 300)
        workers.end(0, signal.SIGKILL)
        workers.start()
        assert await until(lambda: set(seen(output)) == wanted), set(seen(output)) ^ wanted
        await asyncio.sleep(1)
        workers.end(0, signal.SIGTERM)
        marks = await committed(apache_kafka, workers.group, topic)
        workers.start()
        await asyncio.sleep(4)
        assert set(seen(output)) == wanted
        assert await committed(apache_kafka, workers.group, topic) == marks
    finally:
        workers.end_all()


async def test_gaps_of_compaction(apache_kafka: RunningBroker, tmp_path: Path) -> None:
    topic = await make_topic(
        apache_kafka, 1,
        **{"cleanup.policy": "compact", "segment.ms": "500", "min.cleanable.dirty.ratio": "0.01", "segment.bytes": "1048576"},
    )  # fmt: skip
    producer = AIOKafkaProducer(bootstrap_servers=apache_kafka.bootstrap_servers)
    await producer.start()
    for value in range(2_000):
        await producer.send(topic, str(value).encode(), key=str(value % 50).encode())
    await producer.flush()
    await asyncio.sleep(1)
    await producer.send_and_wait(topic, b"2000", key=b"last")
    await producer.stop()
    output = tmp_path / "seen"
    await asyncio.sleep(17)  # the cleaner's own period is 15 s
    workers = Workers(apache_kafka, topic, output, "--chunk", "10")
    try:
        workers.start()
        assert await until(lambda: 2_000 in seen(output))
        await asyncio.sleep(1)
        workers.end(0, signal.SIGTERM)
        assert set(range(1_950, 2_001)) <= set(seen(output))
        assert (await committed(apache_kafka, workers.group, topic, 1))[0] == 2_001
    finally:
        workers.end_all()
