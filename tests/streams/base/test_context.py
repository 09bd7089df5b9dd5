"""Waiting for a dependency that is away."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from schemas.errors import Unavailable
from schemas.ids import Hasher
from schemas.settings import Settings, SourceMap
from streams.base.context import Abandoned, Context

BATCH: Any = SimpleNamespace(generation=1)


class Away:
    """A dependency that is back after some calls."""

    def __init__(self, calls: int) -> None:
        self.left, self.called = calls, 0

    async def __call__(self) -> str:
        self.called += 1
        if self.left:
            self.left -= 1
            raise Unavailable("away", retry_after_s=0.01)
        return "here"


def context(generation: int = 1) -> Context:
    nothing: Any = None
    return Context(
        Settings(), SourceMap("", None), nothing, nothing, Hasher(b""), nothing, {}, generation=lambda: generation
    )


async def test_it_waits_until_the_dependency_is_back() -> None:
    away = Away(2)
    began = time.monotonic()
    assert await context().patiently(BATCH, "work", away) == "here"
    assert away.called == 3 and 0.5 < time.monotonic() - began < 60


async def test_work_of_a_partition_that_went_away_is_abandoned() -> None:
    away = Away(100)
    with pytest.raises(Abandoned):
        await context(generation=2).patiently(BATCH, "work", away)
    assert away.called == 1


async def test_work_that_belongs_to_no_partition_is_never_abandoned() -> None:
    assert await context(generation=2).patiently(None, "work", Away(1)) == "here"


async def test_other_errors_are_not_waited_for() -> None:
    async def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await context().patiently(BATCH, "work", broken)


async def test_a_request_that_is_cancelled_with_its_connection_is_made_again() -> None:
    calls = 0

    async def work() -> str:
        nonlocal calls
        calls += 1
        if calls < 3:
            broken: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            broken.cancel()
            return await broken
        return "here"

    assert await context().patiently(BATCH, "asking", work) == "here"


async def test_a_task_that_is_to_end_ends() -> None:
    waiting = asyncio.create_task(context().patiently(BATCH, "asking", lambda: asyncio.sleep(60)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
