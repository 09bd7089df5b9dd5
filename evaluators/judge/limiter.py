"""How many calls may be in flight: additive increase, multiplicative decrease.

TCP halves its window at any loss, because a loss there always means congestion. A judge's 429 may also concern one request
alone (too many tokens, a blocked text), and 5 % of such requests would hold an AIMD window at about 6. So a window is
halved when more than `REJECTED_SHARE` of the first attempts of a round were rejected; a lone 429 delays only its own
request. First attempts, because the repetitions of one bad request say nothing about the rest.

After D.-M. Chiu and R. Jain, "Analysis of the increase and decrease algorithms for congestion avoidance" (1989).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

REJECTED_SHARE = 0.2
MIN_ROUND = 20  # answers; a smaller round says nothing about a share
INCREASE_STEPS = 32  # rounds from nothing to the maximum


class Limiter:
    """A fair semaphore whose size follows the server's rejections."""

    def __init__(self, max_concurrency: int) -> None:
        self.maximum = max_concurrency
        self.limit = float(max_concurrency)
        self.in_flight = 0
        self.halved = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._round = 0
        self._answers = self._rejected = 0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[int]:
        """Hold one slot; gives the round's number, for `report`. Served first come, first served."""
        await self._acquire()
        try:
            yield self._round
        finally:
            self.in_flight -= 1
            self._wake()

    def report(self, round_number: int, *, rejected: bool) -> None:
        """The answer to a first attempt that was begun in this round. What was begun before the last halving is old."""
        if round_number != self._round:
            return
        self._answers += 1
        self._rejected += rejected
        size = max(MIN_ROUND, self.limit)
        if self._rejected > REJECTED_SHARE * size:
            self.limit = max(1.0, self.limit / 2)
            self.halved += 1
            self._round += 1
            self._answers = self._rejected = 0
        elif self._answers >= size:
            self.limit = min(self.maximum, self.limit + max(1.0, self.maximum / INCREASE_STEPS))
            self._answers = self._rejected = 0
            self._wake()

    async def _acquire(self) -> None:
        if self.in_flight < int(self.limit) and not self._waiting:
            self.in_flight += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # given the slot in the same moment
                self.in_flight -= 1
                self._wake()
            raise

    def _wake(self) -> None:
        while self._waiting and self.in_flight < int(self.limit):
            turn = self._waiting.popleft()
            if not turn.done():
                self.in_flight += 1
                turn.set_result(None)
