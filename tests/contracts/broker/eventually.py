"""Waiting for what a broker does in its own time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

PATIENCE_S = 60
PAUSE_S = 0.1


async def eventually(ask: Callable[[], Awaitable], is_right: Callable[[Any], bool]) -> Any:
    """Ask until the answer is right and return it; fail with the last answer."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        answer = await ask()
        if is_right(answer):
            return answer
        assert time.monotonic() < deadline, f"still {answer!r}"
        await asyncio.sleep(PAUSE_S)
