"""What judges may cost in a period, and who is left out when it runs short.

The last fifth of the budget is given out by a threshold that falls: a request is admitted when its own hash lies below it,
not when it comes first. The share admitted stands on the verdict, so that estimates can weight by it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import NamedTuple

import structlog

from schemas.ids import sampling_point
from schemas.settings import BudgetSettings

FULL_SHARE = 0.8  # of the budget that is spent before anybody is left out
REFRESH_S = 60.0  # how often the spending of other workers is asked for

log = structlog.get_logger(__name__)

Spent = Callable[[datetime], Awaitable[float]]
"""USD spent on judges by all workers since a moment."""


class Admission(NamedTuple):
    """Leave to make a call. `share` of the calls at this state of the budget are admitted."""

    reserved_usd: float
    share: float


class Budget:
    """Spending of the current hour, day or month (UTC).

    Parameters
    ----------
    settings : the limit; without `max_cost_usd` everything is admitted and spending only counted.
    spent : asked at the start of each period and every minute; without it only this process's spending is known.
    now : the clock.
    """

    def __init__(
        self,
        settings: BudgetSettings,
        spent: Spent | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings, self._ask, self._now = settings, spent, now
        self.spent_usd = 0.0
        self.reserved_usd = 0.0
        self._period: datetime | None = None
        self._asked_at = 0.0
        self._refreshing = asyncio.Lock()

    async def admit(self, key: str, estimate_usd: float) -> Admission | None:
        """Reserve `estimate_usd` for the call with this key, or None: it is left out. Then `settle` must follow."""
        limit = self.settings.max_cost_usd
        await self._refresh()
        if limit is None:
            self.reserved_usd += estimate_usd
            return Admission(estimate_usd, 1.0)
        committed = self.spent_usd + self.reserved_usd
        if committed + estimate_usd > limit or committed >= limit:
            return None
        share = min(1.0, (1 - committed / limit) / (1 - FULL_SHARE))
        if sampling_point(key, "budget") >= share:
            return None
        self.reserved_usd += estimate_usd
        return Admission(estimate_usd, share)

    def settle(self, admission: Admission, cost_usd: float) -> None:
        """Give back what was reserved and count what the call did cost."""
        self.reserved_usd = max(0.0, self.reserved_usd - admission.reserved_usd)
        self.spent_usd += cost_usd

    async def _refresh(self) -> None:
        """Begin a new period when it is time; nobody is admitted on a figure that is still being asked for."""
        async with self._refreshing:
            period = _start(self._now(), self.settings.period)
            if period != self._period:
                self._period, self.spent_usd, self._asked_at = period, 0.0, 0.0
            if self._ask is None or (self._asked_at and time.monotonic() - self._asked_at < REFRESH_S):
                return
            before = self.spent_usd
            try:
                told = await self._ask(period)
            except Exception as error:
                log.warning("judge_budget_unknown", error=type(error).__name__)
                told = before
            self._asked_at = time.monotonic()
            # What is not stored yet is not told: never below what this process knows of itself.
            self.spent_usd = max(told, before) + (self.spent_usd - before)


def _start(now: datetime, period: str) -> datetime:
    hour = now.replace(minute=0, second=0, microsecond=0)
    if period == "hour":
        return hour
    day = hour.replace(hour=0)
    return day if period == "day" else day.replace(day=1)
