"""Speed of a broker: ``python -m tests.benchmarks.broker [--bootstrap HOST:PORT] [--records N]``.

Without ``--bootstrap`` it starts the dev broker in a temporary directory and measures its processor and memory too.
The client shares the machine with the broker and is usually the slower of the two.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
import uuid
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.benchmarks.memory import resident_bytes
from tests.brokers import DevBrokerProcess

RECORD_BYTES = 1_000
LATENCY_RATE_HZ, LATENCY_S = 40, 8
IDLE_S = 8
PARALLEL_SENDS = 5_000


def main() -> None:
    """Measure, and print one table."""
    options = _parser().parse_args()
    if options.bootstrap:
        _print(asyncio.run(_measure(options.bootstrap, options.records, pid=None)))
        return
    with tempfile.TemporaryDirectory() as folder:
        broker = DevBrokerProcess(Path(folder) / "data")
        broker.start()
        assert broker.process is not None
        try:
            _print(asyncio.run(_measure(broker.bootstrap_servers, options.records, pid=broker.process.pid)))
        finally:
            broker.stop()


async def _measure(bootstrap: str, records: int, pid: int | None) -> list[tuple[str, str, str]]:
    topic = f"bench-{uuid.uuid4().hex[:8]}"
    produced = await _produce(bootstrap, topic, records)
    consumed = await _consume(bootstrap, topic, records)
    latencies = await _latencies(bootstrap, f"{topic}-latency")
    p50, p99 = (latencies[int(len(latencies) * quantile)] * 1000 for quantile in (0.5, 0.99))
    rows = [
        ("produce, one producer", f"{produced:,.0f} records/s", ">= 20,000"),
        ("consume, one consumer", f"{consumed:,.0f} records/s", ">= 90,000"),
        (f"end to end at {LATENCY_RATE_HZ}/s", f"p50 {p50:.1f} ms, p99 {p99:.1f} ms", "p99 < 10 ms"),
    ]
    if pid is not None:
        rows.append(("processor, idle group member", f"{await _idle_share(bootstrap, topic, pid):.2%}", "< 1 %"))
        rows.append((f"resident after {records:,}", f"{resident_bytes(pid) / 1e6:.0f} MB", "< 100 MB"))
    return rows


async def _produce(bootstrap: str, topic: str, records: int) -> float:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5, max_batch_size=256 << 10)
    await producer.start()
    value = os.urandom(RECORD_BYTES)
    await producer.send_and_wait(topic, value)
    began = time.perf_counter()
    sent = 1
    while sent < records:
        count = min(PARALLEL_SENDS, records - sent)
        await asyncio.gather(*[await producer.send(topic, value) for _ in range(count)])
        sent += count
    elapsed_s = time.perf_counter() - began
    await producer.stop()
    return records / elapsed_s


async def _consume(bootstrap: str, topic: str, records: int) -> float:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    began, got = time.perf_counter(), 0
    while got < records:
        got += sum(map(len, (await consumer.getmany(timeout_ms=1000)).values()))
    elapsed_s = time.perf_counter() - began
    await consumer.stop()
    return records / elapsed_s


async def _latencies(bootstrap: str, topic: str) -> list[float]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    await producer.send_and_wait(topic, b"first")
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="latest")
    await consumer.start()
    await consumer.seek_to_end()
    count, found = LATENCY_RATE_HZ * LATENCY_S, []

    async def receive() -> None:
        async for record in consumer:
            found.append(time.perf_counter() - float(record.value))
            if len(found) == count:
                return

    receiving = asyncio.create_task(receive())
    await asyncio.sleep(0.5)
    for _ in range(count):
        await producer.send(topic, repr(time.perf_counter()).encode())
        await asyncio.sleep(1 / LATENCY_RATE_HZ)
    await asyncio.wait_for(receiving, 30)
    await consumer.stop()
    await producer.stop()
    return sorted(found)


async def _idle_share(bootstrap: str, topic: str, pid: int) -> float:
    """Share of one processor that the broker takes while a group member waits for records that do not come."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, group_id="idle", auto_offset_reset="latest")
    await consumer.start()
    waiting = asyncio.create_task(consumer.getone())
    await asyncio.sleep(1)
    before_s = _processor_s(pid)
    await asyncio.sleep(IDLE_S)
    share = (_processor_s(pid) - before_s) / IDLE_S
    waiting.cancel()
    await consumer.stop()
    return share


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/schedstat").read_text().split()
    return int(fields[0]) / 1e9


def _print(rows: list[tuple[str, str, str]]) -> None:
    for what, measured, target in rows:
        print(f"{what:30} {measured:28} target {target}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.benchmarks.broker")
    parser.add_argument("--bootstrap", help="measure this broker instead of starting the dev broker")
    parser.add_argument("--records", type=int, default=200_000, help=f"of {RECORD_BYTES} bytes (default: 200,000)")
    return parser


if __name__ == "__main__":
    main()
