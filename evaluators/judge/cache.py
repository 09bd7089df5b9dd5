"""Verdicts that were given before, exactly: equal views, rubrics, prompt and model asked. Never by similarity."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from schemas.base import Record

from .retry import Deadline

MAX_ENTRIES = 20_000

ResultT = TypeVar("ResultT")


class CachedVerdict(Record):
    """Verdict and reason of one criterion."""

    verdict: str | float
    reason: str = ""


class CachedJudgement(Record):
    """What one call brought: a verdict for each criterion in order, and the model that gave them."""

    model: str
    verdicts: tuple[CachedVerdict, ...]


class VerdictCache(Protocol):
    """Where judgements are kept. What it raises is logged and counts as a miss."""

    async def get(self, key: str) -> CachedJudgement | None: ...

    async def put(self, key: str, judgement: CachedJudgement) -> None: ...


class MemoryCache:
    """The most recently used judgements of this process."""

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self.max_entries = max_entries
        self._held: OrderedDict[str, CachedJudgement] = OrderedDict()

    async def get(self, key: str) -> CachedJudgement | None:
        if key in self._held:
            self._held.move_to_end(key)
        return self._held.get(key)

    async def put(self, key: str, judgement: CachedJudgement) -> None:
        self._held[key] = judgement
        self._held.move_to_end(key)
        while len(self._held) > self.max_entries:
            self._held.popitem(last=False)


@dataclass(slots=True)
class _Call(Generic[ResultT]):
    task: asyncio.Task[ResultT]
    deadline: Deadline
    waiting: int = 0


class InFlight(Generic[ResultT]):
    """Calls under way, by key: who asks for the same waits for the same answer."""

    def __init__(self) -> None:
        self._calls: dict[str, _Call[ResultT]] = {}

    async def share(
        self, key: str, deadline: Deadline, start: Callable[[Deadline], Coroutine[Any, Any, ResultT]]
    ) -> tuple[ResultT, bool]:
        """The result of the call under `key`, begun when there is none; and whether it was this one who began it.

        The call has as much time as the most patient of those who wait, and is cancelled when nobody waits any more.
        """
        call = self._calls.get(key)
        first = call is None
        if call is None:
            own = Deadline(deadline.left_s())
            call = self._calls[key] = _Call(asyncio.create_task(start(own)), own)
            call.task.add_done_callback(lambda task: self._done(key, task))
        call.deadline.extend(deadline)
        call.waiting += 1
        try:
            return await asyncio.shield(call.task), first
        finally:
            call.waiting -= 1
            if call.waiting == 0 and not call.task.done():
                if self._calls.get(key) is call:
                    del self._calls[key]
                call.task.cancel()

    def _done(self, key: str, task: asyncio.Task[ResultT]) -> None:
        if not task.cancelled():
            task.exception()  # seen, even when nobody waits any more
        if key in self._calls and self._calls[key].task is task:
            del self._calls[key]
