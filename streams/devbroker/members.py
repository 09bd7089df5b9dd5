"""The members of a consumer group: what is known of each, and what it waits for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, TypeGuard

from streams.devbroker.codes import Refusal


class State(Enum):
    """States as clients see them."""

    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    STABLE = "Stable"


class Joined(NamedTuple):
    """The answer to a join; only the leader is told of the `members` and what they asked for."""

    generation: int
    protocol: str
    leader: str
    member_id: str
    members: list[tuple[str, bytes]]


@dataclass(slots=True)
class Member:
    """One member; `join` and `sync` are its requests that wait for an answer."""

    id: str
    client_id: str
    session_timeout_s: float
    rebalance_timeout_s: float
    protocols: dict[str, bytes]
    assignment: bytes = b""
    join: asyncio.Future[Joined] | None = None
    sync: asyncio.Future[bytes] | None = None
    expiry: asyncio.TimerHandle | None = field(default=None, repr=False)


def waits(future: asyncio.Future | None) -> TypeGuard[asyncio.Future]:
    """Whether somebody still waits for an answer."""
    return future is not None and not future.done()


def answer(future: asyncio.Future | None, result: object) -> None:
    """Give the one who waits, if any, a result or a `Refusal`."""
    if waits(future):
        if isinstance(result, Refusal):
            future.set_exception(result)
        else:
            future.set_result(result)
