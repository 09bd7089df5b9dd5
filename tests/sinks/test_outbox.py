"""Delivery: at least once, in order, each destination for itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

import sinks.outbox
from schemas.errors import Unavailable
from sinks.outbox import OutboxSender
from sinks.warehouse import Notification, Warehouse
from tests.sinks.receivers import Receiver, receiving
from tests.sinks.test_monitoring import NOTHING, alert
from tests.sinks.test_webhook import destination

pytestmark = pytest.mark.usefixtures("_quickly")


@pytest.fixture
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sinks.outbox, "POLL_S", 0.05)
    monkeypatch.setattr(sinks.outbox, "FIRST_RETRY_S", 0.1)


class Topic:
    """What was published; the broker is away for the first `failures` calls."""

    def __init__(self, failures: int = 0) -> None:
        self.bodies: list[tuple[str, bytes]] = []
        self.failures = failures

    async def publish(self, topic: str, body: bytes) -> None:
        if self.failures:
            self.failures -= 1
            raise Unavailable("no broker", retry_after_s=0.05)
        self.bodies.append((topic, body))


def put(warehouse: Warehouse, *notifications: Notification) -> None:
    epoch = warehouse.claim_partition(0).epoch
    warehouse.commit_monitor(0, epoch, **{**NOTHING, "notifications": list(notifications)})


def to(name: str, n: int, kind: str = "webhook") -> Notification:
    return Notification(name, kind, alert(n).to_bytes(), f"id{n}")  # type: ignore[arg-type]


@asynccontextmanager
async def sending(
    warehouse: Warehouse, *destinations: object, topic: Topic | None = None
) -> AsyncIterator[OutboxSender]:
    sender = OutboxSender(warehouse, destinations, (topic or Topic()).publish)  # type: ignore[arg-type]
    task = asyncio.create_task(sender.run(lambda: [0]))
    try:
        yield sender
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool], timeout_s: float = 60) -> float:
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < timeout_s, "not in time"
        await asyncio.sleep(0.02)
    return time.monotonic() - started


def states(warehouse: Warehouse) -> list[tuple[str, int]]:
    with warehouse.database.read() as connection:
        return [tuple(row) for row in connection.execute(text("SELECT state, attempts FROM outbox ORDER BY id"))]


async def test_everything_arrives_once_and_in_order(warehouse: Warehouse) -> None:
    topic = Topic()
    put(warehouse, *(to("ops", n) for n in range(5)), *(to("alerts", n, "topic") for n in range(5)))
    assert warehouse.outbox_depth() == {"ops": 5, "alerts": 5}
    async with receiving(Receiver()) as receiver, sending(warehouse, destination(receiver.url), topic=topic):
        await until(lambda: states(warehouse) == [("delivered", 0)] * 10)
    assert [headers["Idempotency-Key"] for headers, _ in receiver.received] == [f"id{n}" for n in range(5)]
    assert topic.bodies == [("alerts", alert(n).to_bytes()) for n in range(5)]
    assert warehouse.outbox_depth() == {}


async def test_a_failure_is_tried_again_in_order(warehouse: Warehouse) -> None:
    put(warehouse, to("ops", 0), to("ops", 1))
    async with receiving(Receiver([500, 503])) as receiver, sending(warehouse, destination(receiver.url)) as sender:
        await until(lambda: states(warehouse) == [("delivered", 2), ("delivered", 0)])
    assert sender.attempts == {("ops", "put_off"): 2, ("ops", "delivered"): 2}
    assert [headers["Idempotency-Key"] for headers, _ in receiver.received] == ["id0", "id0", "id0", "id1"]


async def test_a_refusal_is_final_and_the_next_goes_on(warehouse: Warehouse) -> None:
    put(warehouse, to("ops", 0), to("ops", 1), to("gone", 2))
    async with receiving(Receiver([400])) as receiver, sending(warehouse, destination(receiver.url)) as sender:
        await until(lambda: [state for state, _ in states(warehouse)] == ["failed", "delivered", "failed"])
    assert sender.attempts == {("ops", "given_up"): 1, ("ops", "delivered"): 1, ("gone", "given_up"): 1}
    assert len(receiver.received) == 2


async def test_attempts_end(warehouse: Warehouse) -> None:
    put(warehouse, to("ops", 0))
    async with (
        receiving(Receiver([500] * 9)) as receiver,
        sending(warehouse, destination(receiver.url, max_attempts=3)),
    ):
        await until(lambda: states(warehouse) == [("failed", 3)])
    assert len(receiver.received) == 3


async def test_a_dead_webhook_delays_nobody(warehouse: Warehouse) -> None:
    topic = Topic()
    put(warehouse, *(to("dead", n) for n in range(30)))
    dead, live = Receiver(hang=True), Receiver()
    async with receiving(dead), receiving(live):
        slow = destination(dead.url, name="dead", timeout_s=30)
        async with sending(warehouse, slow, destination(live.url), topic=topic):
            await until(lambda: len(dead.received) == 1)
            for n in range(3):
                put(warehouse, to("ops", n), to("alerts", n, "topic"))
                assert await until(lambda n=n: len(live.received) == len(topic.bodies) == n + 1) < 3  # type: ignore[misc]
    assert len(dead.received) == 1


async def test_a_broker_that_is_away_costs_nothing(warehouse: Warehouse) -> None:
    topic = Topic(failures=3)
    put(warehouse, to("alerts", 0, "topic"))
    async with sending(warehouse, topic=topic):
        await until(lambda: states(warehouse) == [("delivered", 3)])
    assert len(topic.bodies) == 1


async def test_a_sender_that_dies_leaves_the_rest_to_the_next(warehouse: Warehouse) -> None:
    put(warehouse, *(to("ops", n) for n in range(6)))
    async with receiving(Receiver()) as receiver:
        async with sending(warehouse, destination(receiver.url)):
            await until(lambda: len(receiver.received) >= 2)
        async with sending(warehouse, destination(receiver.url)):
            await until(lambda: [state for state, _ in states(warehouse)] == ["delivered"] * 6)
    assert {headers["Idempotency-Key"] for headers, _ in receiver.received} == {f"id{n}" for n in range(6)}
