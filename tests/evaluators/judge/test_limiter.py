"""Slots are given in order, never lost, and their number follows the rejections."""

from __future__ import annotations

import asyncio

import pytest

from evaluators.judge.limiter import Limiter


async def test_never_more_than_the_limit_and_first_come_first_served():
    limiter, running, most, order = Limiter(3), 0, 0, []

    async def work(number):
        nonlocal running, most
        async with limiter.slot():
            order.append(number)
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.001)
            running -= 1

    await asyncio.gather(*(work(i) for i in range(50)))
    assert (most, order, limiter.in_flight) == (3, list(range(50)), 0)


async def test_who_is_cancelled_while_waiting_or_when_just_served_loses_no_slot():
    limiter = Limiter(1)

    async def work():
        async with limiter.slot():
            await asyncio.sleep(0)

    for _ in range(20):
        tasks = [asyncio.create_task(work()) for _ in range(6)]
        await asyncio.sleep(0)
        for task in tasks[1:4]:
            task.cancel()
        await asyncio.sleep(0)
        tasks[4].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert limiter.in_flight == 0
    async with asyncio.timeout(1):
        await work()


async def rounds(limiter, share, answers):
    """Report `answers` answers of which `share` are rejected, evenly."""
    for number in range(answers):
        async with limiter.slot() as begun:
            limiter.report(begun, rejected=int((number + 1) * share) > int(number * share))


async def test_a_few_rejections_change_nothing_and_many_halve_it_again_and_again():
    limiter = Limiter(64)
    await rounds(limiter, 0.05, 1000)
    assert (limiter.limit, limiter.halved) == (64, 0)
    await rounds(limiter, 0.5, 2000)
    assert limiter.limit < 4
    await rounds(limiter, 1.0, 200)
    assert limiter.limit == 1
    await rounds(limiter, 0.0, 5000)
    assert limiter.limit == 64


async def test_rejections_of_calls_begun_before_the_halving_do_not_halve_again():
    limiter = Limiter(64)
    for _ in range(64):
        limiter.report(0, rejected=True)
    assert (limiter.limit, limiter.halved) == (32, 1)


async def test_it_grows_by_steps_not_by_leaps():
    limiter = Limiter(320)
    await rounds(limiter, 1.0, 1000)
    low = limiter.limit
    await rounds(limiter, 0.0, 20)
    assert limiter.limit == pytest.approx(low + 10)
