"""Memory, lag and shedding of the workers while ten times as much comes as they can evaluate.

First the rate that `evaluate` sustains is measured, by small traces that are already there. Then traces come at a multiple
of it, and the workers catch up afterwards. Every second each worker's `/metrics` are read: memory must not follow the lag.

    python -m tests.benchmarks.overload [--traces 60000] [--times 10] [--postgres URL]

1,000,000 traces take about a quarter of an hour on two free cores.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from schemas.settings import KafkaSettings, Topics
from streams.kafka.producer import Outgoing, Producer
from tests.brokers import DevBrokerProcess
from tests.e2e.hostile import native, span
from tests.e2e.probes import Scrape, address
from tests.e2e.stack import Stack

CONFIG = """\
project: bench
kafka: {partitions: 4}
overload: {shed: [extra, latency], max_lag_s: 20, step_s: 5}
evaluators:
  - {type: length, target: trace, options: {max: 4000}}
  - {type: latency, options: {max_s: 30}}
  - {type: contains, name: extra, target: trace, options: {any_of: ["thank", "help"]}}
"""
WORKERS = ("evaluate", "monitor")
WARM_UP, AT_ONCE, LOOK_EVERY_S, SHOWN = 5_000, 500, 1.0, 24
MB = 2**20


@dataclass(frozen=True, slots=True)
class Look:
    """What the workers said at one moment; memory in MB by worker."""

    at_s: float
    sent: int
    lag: float
    lag_s: float
    share: float
    memory: dict[str, float]


class Run:
    """A broker, two workers, and a producer."""

    def __init__(self, folder: Path, postgres: str | None) -> None:
        self.broker = DevBrokerProcess(folder / "broker")
        self.broker.start()
        self.stack = Stack(folder / "stack", self.broker.bootstrap_servers, postgres, CONFIG)
        self.producer = Producer(KafkaSettings(bootstrap_servers=self.broker.bootstrap_servers))
        self.sent, self.looks, self.begun = 0, [], time.monotonic()  # type: int, list[Look], float
        self._numbers = itertools.count()

    async def start(self) -> None:
        await asyncio.to_thread(self._start_workers)
        await self.producer.start()
        self.urls = {name: address(self.stack, name) for name in WORKERS}

    async def send(self, count: int) -> None:
        """Write `count` traces, each under an id of its own."""
        for start in range(0, count, AT_ONCE):
            batch = list(itertools.islice(self._traces(), min(AT_ONCE, count - start)))
            await self.producer.publish(batch)
            self.sent += len(batch)

    async def sustained(self) -> float:
        """Traces a second that are evaluated when they are already there."""
        await self.send(WARM_UP)
        await self.until_caught_up()
        first, begun = self.sent, time.monotonic()
        await self.send(WARM_UP)
        await self.until_caught_up()
        return (self.sent - first) / (time.monotonic() - begun)

    async def until_caught_up(self) -> None:
        while True:
            look = await self.look()
            if look.lag == 0 and await self._evaluated() >= self.sent:
                return
            await asyncio.sleep(0.2)

    async def look(self) -> Look:
        scrapes = {name: await asyncio.to_thread(Scrape, url) for name, url in self.urls.items()}
        evaluate = scrapes["evaluate"]
        return Look(
            time.monotonic() - self.begun,
            self.sent,
            evaluate.total("evalstream_lag_records", topic=Topics.TRACES),
            evaluate.highest("evalstream_lag_seconds"),
            evaluate.total("evalstream_overload_share", evaluator="extra"),
            {name: scrape.total("process_resident_memory_bytes") / MB for name, scrape in scrapes.items()},
        )

    async def stop(self) -> None:
        await self.producer.close()
        self.stack.stop()
        self.broker.stop()

    def _start_workers(self) -> None:
        self.stack.start(*WORKERS)
        self.stack.ready(WORKERS)

    async def _evaluated(self) -> float:
        scrape = await asyncio.to_thread(Scrape, self.urls["evaluate"])
        return scrape.total("evalstream_records_total", topic=Topics.TRACES)

    def _traces(self) -> Iterator[Outgoing]:
        body = orjson.dumps(native("TRACE", span("a")))
        while True:
            name = b"t%012d" % next(self._numbers)
            yield Outgoing(Topics.TRACES, body.replace(b"TRACE", name), name)


async def overloaded(run: Run, traces: int, rate: float, bar: Progress) -> None:
    """Send at `rate` a second, look every second, wait until all is evaluated."""
    sending, working = bar.add_task("sent", total=traces), bar.add_task("evaluated", total=traces)
    before, run.begun = run.sent, time.monotonic()

    async def send() -> None:
        while run.sent - before < traces:
            due = min(int((time.monotonic() - run.begun) * rate), traces) - (run.sent - before)
            await run.send(due) if due > 0 else await asyncio.sleep(0.02)

    task = asyncio.create_task(send())
    while not task.done() or run.looks[-1].lag > 0:
        run.looks.append(await run.look())
        bar.update(sending, completed=run.sent - before)
        bar.update(working, completed=max(run.sent - before - run.looks[-1].lag, 0))
        await asyncio.sleep(LOOK_EVERY_S)
    await task


def table(run: Run, rate: float, times: float) -> Table:
    found = Table(title=f"sustained {rate:,.0f} traces/s, then {times:g} times as much")
    for head in ("s", "sent", "lag", "lag, s", "share of `extra`", *(f"{name}, MB" for name in WORKERS)):
        found.add_column(head, justify="right")
    step = max(len(run.looks) // SHOWN, 1)
    for one in [*run.looks[::step], run.looks[-1]]:
        memory = [f"{one.memory[name]:.0f}" for name in WORKERS]
        found.add_row(
            f"{one.at_s:.0f}", f"{one.sent:,}", f"{one.lag:,.0f}", f"{one.lag_s:.1f}", f"{one.share:g}", *memory
        )
    return found


def growth(run: Run, name: str) -> tuple[float, float]:
    """Highest memory in the first and in the last quarter of the time, MB."""
    quarter = max(len(run.looks) // 4, 1)
    return (
        max(one.memory[name] for one in run.looks[:quarter]),
        max(one.memory[name] for one in run.looks[-quarter:]),
    )


async def main(traces: int, times: float, postgres: str | None, console: Console) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), postgres)
        try:
            await run.start()
            rate = await run.sustained()
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            with Progress(*columns, console=console) as bar:
                await overloaded(run, traces, rate * times, bar)
            console.print(table(run, rate, times))
            for name in WORKERS:
                early, late = growth(run, name)
                console.print(f"{name}: at most {early:.0f} MB in the first quarter, {late:.0f} MB in the last")
            await asyncio.to_thread(run.stack.settle, WORKERS)
            [(decided, shed)] = run.stack.sql(
                "SELECT count(*), sum(CASE WHEN skip_reason = 'overload' THEN 1 ELSE 0 END) "
                "FROM scores WHERE evaluator = 'extra'"
            )
            lost = run.sent - decided
            console.print(
                f"{run.sent:,} traces, {decided:,} decisions of `extra`, {shed:,} of them shed, {lost} missing"
            )
        finally:
            await run.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--traces", type=int, default=60_000)
    parser.add_argument("--times", type=float, default=10.0)
    parser.add_argument("--postgres", help="URL of an empty database; default: SQLite")
    given = parser.parse_args()
    asyncio.run(main(given.traces, given.times, given.postgres, Console(width=110)))
