"""The door before a component."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

from streams.telemetry import Metrics
from streams.worker.intake import Intake


def batch(generation: int = 1, count: int = 2) -> Any:
    records = [SimpleNamespace(timestamp=time.time() * 1000 - 500)] * count
    return SimpleNamespace(topic="traces", generation=generation, records=records)


class Component:
    """Takes a batch when it is let."""

    def __init__(self) -> None:
        self.let, self.taken = asyncio.Event(), 0

    async def receive(self, batch: Any) -> None:
        await self.let.wait()
        self.taken += 1


async def test_shut_it_finishes_what_is_in_hand_and_begins_nothing() -> None:
    component, metrics = Component(), Metrics()
    intake = Intake(metrics, lambda: 1)
    receive = intake.through({"traces": component.receive})["traces"]
    first = asyncio.create_task(receive(batch()))
    await asyncio.sleep(0)
    intake.shut()
    second, rest = asyncio.create_task(receive(batch())), asyncio.create_task(intake.at_rest())
    await asyncio.sleep(0.01)
    assert not rest.done() and component.taken == 0
    component.let.set()
    await asyncio.wait_for(rest, 5)
    assert first.done() and component.taken == 1 and not second.done()
    second.cancel()
    body = metrics.exposition("")[0].decode()
    assert 'evalstream_records_total{topic="traces"} 2.0' in body
    assert 'evalstream_record_age_seconds_bucket{le="0.25",topic="traces"} 0.0' in body


async def test_at_a_border_nothing_is_in_hand_and_then_it_goes_on() -> None:
    component = Component()
    component.let.set()
    intake = Intake(Metrics(), lambda: 1)
    receive = intake.through({"traces": component.receive})["traces"]
    async with intake.border():
        waiting = asyncio.create_task(receive(batch()))
        await asyncio.sleep(0.01)
        assert component.taken == 0
    await asyncio.wait_for(waiting, 5)
    assert component.taken == 1


async def test_what_waited_over_a_rebalance_is_not_begun() -> None:
    component, generation = Component(), [1]
    component.let.set()
    intake = Intake(Metrics(), lambda: generation[0])
    receive = intake.through({"traces": component.receive})["traces"]
    async with intake.border():
        waiting = asyncio.create_task(receive(batch()))
        await asyncio.sleep(0.01)
        generation[0] = 2
    await asyncio.wait_for(waiting, 5)
    assert component.taken == 0


async def test_a_receiver_that_fails_leaves_the_door_in_order() -> None:
    async def fail(batch: Any) -> None:
        raise ZeroDivisionError

    intake = Intake(Metrics(), lambda: 1)
    receive = intake.through({"traces": fail})["traces"]
    [error] = await asyncio.gather(receive(batch()), return_exceptions=True)
    assert isinstance(error, ZeroDivisionError)
    await asyncio.wait_for(intake.at_rest(), 1)
