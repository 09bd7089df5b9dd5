"""When a failed attempt is made again: when the server says so, else after exponential backoff with jitter."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import TypeVar

from .errors import AttemptFailed, JudgeError

FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 20.0
RETRY_AFTER_JITTER = 0.1  # so that all who were told the same moment do not come back at once

ResultT = TypeVar("ResultT")


class Deadline:
    """A moment in loop time, moved back when somebody with more time joins a call that is under way."""

    __slots__ = ("at",)

    def __init__(self, seconds: float) -> None:
        self.at = asyncio.get_running_loop().time() + seconds

    def left_s(self) -> float:
        return self.at - asyncio.get_running_loop().time()

    def extend(self, other: Deadline) -> None:
        self.at = max(self.at, other.at)


async def with_retries(
    attempt: Callable[[int], Awaitable[ResultT]], *, max_attempts: int, deadline: Deadline
) -> ResultT:
    """The result of the first attempt that succeeds; attempts are numbered from 0.

    Waiting holds no slot and no connection. A wait that would pass the deadline is not begun.

    Raises
    ------
    JudgeError : the last attempt's error, when it is not worth another or there is no time for one.
    """
    for number in range(max_attempts):
        try:
            return await attempt(number)
        except AttemptFailed as failed:
            if not failed.retryable:
                raise JudgeError(failed.error_type, failed.message) from None
            if number + 1 >= max_attempts:
                raise JudgeError(failed.error_type, f"{failed.message} (attempt {number + 1})") from None
            pause_s = _pause_s(number, failed.retry_after_s)
            if pause_s >= deadline.left_s():
                told = f"{failed.message} (attempt {number + 1}; no time to wait {pause_s:.1f} s for another)"
                raise JudgeError(failed.error_type, told) from None
        await asyncio.sleep(pause_s)
    raise ValueError("max_attempts must be at least 1")


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds that `retry-after-ms` or `Retry-After` (seconds or HTTP date, RFC 9110 10.2.3) asks for, None if neither."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        if isfinite(seconds) and seconds >= 0:
            return seconds
    try:
        moment = parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, TypeError, IndexError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


def _pause_s(number: int, asked_s: float | None) -> float:
    if asked_s:
        return asked_s * (1 + random.uniform(0, RETRY_AFTER_JITTER))
    return min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2**number) * random.uniform(0.5, 1.0)
