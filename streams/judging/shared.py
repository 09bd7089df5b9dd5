"""What the judge worker shares with its fellows through the warehouse: verdicts given before, and the budget."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from datetime import datetime

from evaluators.deferred import DeferredRuntime
from evaluators.judge.budget import Budget
from evaluators.judge.cache import CachedJudgement, MemoryCache
from schemas.judge_request import JudgeRequest
from schemas.settings import Settings
from sinks.warehouse import Subject, Warehouse

ASKED_ABOUT: ContextVar[str | None] = ContextVar("asked_about", default=None)
"""The trace that a judge is asked about: an answer in the cache goes when its trace is deleted."""


class WarehouseCache:
    """A `VerdictCache` that all workers read, and that survives them; what this process has seen is kept in memory."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse, self._memory = warehouse, MemoryCache()

    async def get(self, key: str) -> CachedJudgement | None:
        held = await self._memory.get(key)
        if held is not None:
            return held
        body = await asyncio.to_thread(self._warehouse.cached_verdict, key)
        return None if body is None else CachedJudgement.from_bytes(body)

    async def put(self, key: str, judgement: CachedJudgement) -> None:
        await self._memory.put(key, judgement)
        await asyncio.to_thread(self._warehouse.cache_verdict, key, judgement.to_bytes(), ASKED_ABOUT.get())


def subjects_asked_about(request: JudgeRequest) -> list[Subject]:
    """The trace and the session whose text a request holds."""
    of_session = [Subject("session", request.session_id)] if request.session_id else []
    return [Subject("trace", request.trace_id), *of_session]


def deferred_runtime(settings: Settings, warehouse: Warehouse) -> DeferredRuntime:
    """Cache and budget of the installation, not of one process."""

    async def spent(since: datetime) -> float:
        return await asyncio.to_thread(warehouse.judge_cost_since, since)

    return DeferredRuntime(settings, cache=WarehouseCache(warehouse), budget=Budget(settings.judge.budget, spent))
