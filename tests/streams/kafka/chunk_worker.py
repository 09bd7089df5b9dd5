"""A worker for the transport's tests: writes `partition offset value seeks` of each record to a file, then acknowledges.

Acknowledges late and out of order where asked: chunks wait in a pool and leave it newest first. Reads a partition again from
its beginning where asked, as the log guard does: chunks that were fetched before are passed over.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import time
from itertools import count

from faust.types import TP

from schemas.settings import KafkaSettings
from streams.kafka.app import build_app
from streams.kafka.batch import Batch

BUSY_S = 2.0


async def main() -> None:
    """Read until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--group", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--chunk", type=int, default=100)
    parser.add_argument("--hold", type=int, default=0, help="chunks kept before the newest is acknowledged")
    parser.add_argument("--work-s", type=float, default=0.0)
    parser.add_argument("--seek-at", type=int, default=0, help="at this chunk its partition is read again")
    options = parser.parse_args()
    settings = KafkaSettings(bootstrap_servers=options.bootstrap, batch_records=options.chunk, session_timeout_s=6.0)
    output = os.open(options.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    held: list[Batch] = []
    chunks = count(1)

    async def receive(batch: Batch) -> None:
        place = TP(batch.topic, batch.partition)
        if batch.seeks < app.consumer.seeks[place]:
            return
        lines = [f"{r.partition} {r.offset} {(r.value or b'').decode()} {batch.seeks}\n" for r in batch.records]
        os.write(output, "".join(lines).encode())
        await asyncio.sleep(options.work_s)
        if next(chunks) == options.seek_at:
            time.sleep(BUSY_S)  # noqa: ASYNC251 (a worker that computes, and the next chunk is fetched meanwhile)
            await app.consumer.seek(place, 0)
            return
        held.append(batch)
        if len(held) > options.hold:
            for waiting in reversed(held):
                waiting.ack()
            held.clear()

    app = build_app(options.group, settings, {options.topic: receive})
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await app.start()
    print("started", flush=True)
    while not stop.is_set():
        await asyncio.sleep(0.2)
        if held and app.consumer_generation_id:
            for waiting in held:
                waiting.ack()
            held.clear()
    await app.stop()


if __name__ == "__main__":
    asyncio.run(main())
