"""The faults, each a function that makes it while traces flow. A new one is a function in the table at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from schemas.settings import Topics
from tests.e2e.stack import COMPONENTS
from tests.faults.bench import Bench
from tests.faults.worlds import NotHere

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
CRASH_POINTS = {
    "assemble": ["gathering.published:2"],
    "evaluate": ["evaluate.stored:2", "evaluate.decided:2", "evaluate.published:2"],
    "judge": ["judge.stored:3", "judge.published:2"],
    "monitor": ["monitor.counted:2", "monitor.committed:2"],
}
SESSION_TIMEOUT_S = 6


def kills(bench: Bench, rounds: int) -> None:
    """kill -9 of a component of chance, at a moment of chance, `rounds` times."""
    for _ in range(rounds):
        time.sleep(bench.dice.uniform(0.1, 1.5))
        bench.kill(bench.dice.choice(bench.ready()))


def crash_points(bench: Bench, rounds: int) -> None:
    """kill -9 between every two of storing, publishing and acknowledging."""
    for _ in range(rounds):
        for step in range(3):
            for name, points in CRASH_POINTS.items():
                if step < len(points):
                    bench.start_with(name, points[step])
            time.sleep(12)


def broker_killed(bench: Bench, rounds: int) -> None:
    """kill -9 of the broker, and a start two seconds later."""
    for _ in range(rounds):
        time.sleep(3)
        bench.world.broker.kill()
        time.sleep(2)
        bench.world.broker.start()


def broker_gone(bench: Bench, rounds: int) -> None:
    """The broker is away for a minute."""
    time.sleep(4)
    bench.world.broker.stop()
    time.sleep(20 * rounds)
    bench.world.broker.start()


def resets(bench: Bench, rounds: int) -> None:
    """All connections to the broker and to the warehouse are reset, again and again."""
    for _ in range(rounds * 8):
        time.sleep(bench.dice.uniform(0.2, 1.5))
        bench.world.kafka.reset()
        bench.world.warehouse_resets()


def slow_network(bench: Bench, rounds: int) -> None:
    """Every packet from and to the broker is held for a fifth of a second."""
    bench.world.kafka.delay_s = 0.2
    time.sleep(5 * rounds)
    bench.world.kafka.delay_s = 0.0


def warehouse_down(bench: Bench, rounds: int) -> None:
    """The warehouse answers nobody: no connections (PostgreSQL), an exclusive lock (SQLite)."""
    time.sleep(4)
    bench.world.warehouse_away(15 * rounds)


def warehouse_slow(bench: Bench, rounds: int) -> None:
    """Every packet is held for 50 ms (PostgreSQL); it is locked for three quarters of the time (SQLite)."""
    bench.world.warehouse_slow(8 * rounds)


def warehouse_read_only(bench: Bench, rounds: int) -> None:
    """The warehouse takes no writes."""
    time.sleep(4)
    bench.world.warehouse_read_only(6 * rounds)


def disk_full(bench: Bench, rounds: int) -> None:
    """The disk of the warehouse is full."""
    time.sleep(3)
    bench.world.disk_full(6 * rounds)


def rebalances(bench: Bench, rounds: int) -> None:
    """A second worker of a component joins and leaves: politely, or by kill -9."""
    for number in range(rounds * 2):
        joined = [bench.second(name) for name in bench.dice.sample(COMPONENTS, 2)]
        time.sleep(bench.dice.uniform(1.0, 6.0))
        for process in joined:
            process.kill() if number % 2 else process.terminate()
        for process in joined:
            process.wait(60)


def stalled(bench: Bench, rounds: int) -> None:
    """A worker stands still until its partitions have moved to another, and wakes up in the middle of its work."""
    for number in range(rounds):
        name = ("evaluate", "monitor", "judge", "assemble")[number % 4]
        joined = bench.second(name)
        time.sleep(1)
        bench.pause(name, SESSION_TIMEOUT_S * 2)
        time.sleep(4)
        joined.terminate()
        joined.wait(60)


def topic_made_again(bench: Bench, rounds: int) -> None:
    """`traces` and `judge_requests`, read to their ends, are deleted and made again while the workers run."""
    bench.settle()
    for topic in (Topics.TRACES, Topics.JUDGE_REQUESTS):
        asyncio.run(_make_again(bench.stack.bootstrap_servers, bench.stack.prefix + topic))


async def _make_again(servers: str, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        await admin.delete_topics([name])
        deadline = time.monotonic() + 5  # by then a worker that asked for it may have had it made
        while time.monotonic() < deadline:
            if not (await admin.create_topics([NewTopic(name, 4, 1)])).topic_errors[0][1]:
                break
            await asyncio.sleep(0.05)
    finally:
        await admin.close()


def warehouse_restored(bench: Bench, rounds: int) -> None:
    """The warehouse is put back to a copy that was made in mid-stream, after more was read."""
    time.sleep(6)
    bench.stop_workers()
    restore = bench.world.copy()
    bench.start_workers()
    time.sleep(15)
    bench.stop_workers()
    restore()
    bench.start_workers()


def clock_steps(bench: Bench, rounds: int) -> None:
    """The workers' wall clocks step by an hour, back and forth (libfaketime)."""
    if not FAKETIME.exists():
        raise NotHere(f"no libfaketime at {FAKETIME}")
    steps = bench.stack.folder / "clock"
    steps.write_text("+0\n")
    faked = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(steps),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    bench.restart_all(faked)
    for _ in range(rounds):
        for step in ("+3600", "-3600", "+0"):
            time.sleep(4)
            steps.write_text(step + "\n")
    time.sleep(4)
    bench.restart_all(dict.fromkeys(faked))


def judge_down(bench: Bench, rounds: int) -> None:
    """The judge's provider is away."""
    time.sleep(2)
    bench.kill_judge()
    time.sleep(4 * rounds)
    bench.start_judge()


def quiet(bench: Bench, rounds: int) -> None:
    """Nothing fails but what the judge was told to do from the start, or what the traffic does."""


@dataclass(frozen=True)
class Fault:
    """`rounds` as a whole and in the short form; 0 leaves it out there. `judge`: arguments of the scripted judge."""

    make: Callable[[Bench, int], None]
    rounds: int
    short: int = 0
    judge: tuple[str, ...] = ()
    repeat: int = 1
    pieces: int = 1
    small_disk: bool = False
    then: bool = False
    """Whether one more piece is published after the fault."""
    title: str = ""


FAULTS: dict[str, Fault] = {
    "kill": Fault(kills, 100, 8, pieces=6, title="kill -9 at random"),
    "crash-points": Fault(crash_points, 2, 1, title="kill between store, publish, ack"),
    "broker-killed": Fault(broker_killed, 10, title="broker kill -9 and restart"),
    "broker-gone": Fault(broker_gone, 3, title="broker away for a minute"),
    "resets": Fault(resets, 3, 1, title="connections reset"),
    "slow-network": Fault(slow_network, 4, title="packets held 0.2 s"),
    "warehouse-down": Fault(warehouse_down, 3, title="warehouse down"),
    "warehouse-slow": Fault(warehouse_slow, 2, title="warehouse slow"),
    "warehouse-read-only": Fault(warehouse_read_only, 3, title="warehouse read-only"),
    "disk-full": Fault(disk_full, 3, small_disk=True, title="warehouse's disk full"),
    "rebalance": Fault(rebalances, 3, title="rebalance storm"),
    "stalled": Fault(stalled, 4, 1, title="stalled worker wakes up"),
    "topic-remade": Fault(topic_made_again, 1, then=True, title="topics deleted, made again"),
    "restored": Fault(warehouse_restored, 1, 1, title="warehouse restored from a copy"),
    "duplicates": Fault(quiet, 1, 1, repeat=3, title="each record three times, shuffled"),
    "clock": Fault(clock_steps, 2, title="clock steps of an hour"),
    "judge-down": Fault(judge_down, 3, title="judge away"),
    "judge-slow": Fault(quiet, 1, judge=("--latency-s", "2"), title="judge slow (2 s)"),
    "judge-429": Fault(quiet, 1, judge=("--reject", "0.7", "--times", "3"), title="judge answers 429"),
    "judge-garbage": Fault(
        quiet, 1, judge=("--garbage", "0.5", "--cut", "0.3", "--times", "1"), title="judge talks nonsense"
    ),
}
