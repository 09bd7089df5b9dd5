"""What the judge worker shares with its fellows through the warehouse: verdicts given before, and the budget."""

from __future__ import annotations

import asyncio
from datetime import datetime

from evaluators.deferred import DeferredRuntime
from evaluators.judge.budget import Budget
from evaluators.judge.cache import CachedJudgement, MemoryCache
from schemas.settings import Settings
from sinks.warehouse import Warehouse


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
        await asyncio.to_thread(self._warehouse.cache_verdict, key, judgement.to_bytes())


def deferred_runtime(settings: Settings, warehouse: Warehouse) -> DeferredRuntime:
    """Cache and budget of the installation, not of one process."""

    async def spent(since: datetime) -> float:
        return await asyncio.to_thread(warehouse.judge_cost_since, since)

    return DeferredRuntime(settings, cache=WarehouseCache(warehouse), budget=Budget(settings.judge.budget, spent))
