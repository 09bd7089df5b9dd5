"""Gathering the parts of something until it seems whole: the spans of a trace, the traces of a session.

Pure bookkeeping of one partition, without Kafka and without a clock of its own. Time is the log's: the newest record
timestamp seen. While the reader has caught up with the log, time also passes by the monotonic clock, so that the last
group is not kept open for ever by a log that rests.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

Part = TypeVar("Part")
Why = Literal["whole", "quiet", "age", "size", "memory", "lag"]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a group is kept. Seconds, bytes and parts; `ended_quiet_s` counts once its root has ended."""

    ended_quiet_s: float
    quiet_s: float
    max_age_s: float
    max_lag_s: float
    max_parts: int


@dataclass(slots=True)
class Group(Generic[Part]):
    """Parts gathered under one key, when (log time, monotonic time) the first and the newest of them came, and where
    the first lies."""

    key: str
    parts: list[Part] = field(default_factory=list)
    holders: set[Hashable] = field(default_factory=set)
    ended: bool = False
    size: int = 0
    first: tuple[float, float] = (0.0, 0.0)
    newest: tuple[float, float] = (0.0, 0.0)
    offset: int = 0
    why: Why = "quiet"


class Gatherer(Generic[Part]):
    """The open groups of one partition, oldest first."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._open: OrderedDict[str, Group[Part]] = OrderedDict()
        self._log_time = 0.0
        self.size = 0

    def __len__(self) -> int:
        return len(self._open)

    def add(
        self,
        key: str,
        part: Part,
        *,
        holder: Hashable,
        size: int,
        ended: bool,
        log_time: float,
        monotonic: float,
        offset: int = 0,
    ) -> None:
        """Put a part into its group. `holder` stands for the chunk of records it came in, `offset` for its record."""
        self._log_time = max(self._log_time, log_time)
        group = self._open.get(key)
        if group is None:
            group = self._open[key] = Group(key, first=(log_time, monotonic), offset=offset)
        group.parts.append(part)
        group.holders.add(holder)
        group.ended = group.ended or ended
        group.size += size
        group.newest = (max(group.newest[0], log_time), monotonic)
        self.size += size

    def groups(self) -> Iterable[Group[Part]]:
        """The open groups, oldest first."""
        return self._open.values()

    def take_due(self, *, monotonic: float, caught_up: bool) -> Iterator[Group[Part]]:
        """Close and hand out every group whose time has come."""
        for key in [key for key, group in self._open.items() if self._due(group, monotonic, caught_up)]:
            yield self._close(key)

    def take_oldest(self, why: Why) -> Group[Part] | None:
        """Close the oldest group before its time."""
        if not self._open:
            return None
        group = self._close(next(iter(self._open)))
        group.why = why
        return group

    def _close(self, key: str) -> Group[Part]:
        group = self._open.pop(key)
        self.size -= group.size
        return group

    def _due(self, group: Group[Part], monotonic: float, caught_up: bool) -> bool:
        patience = self._patience
        quiet = self._passed(group.newest, monotonic, caught_up)
        age = self._passed(group.first, monotonic, caught_up)
        if len(group.parts) > patience.max_parts:
            group.why = "size"
        elif quiet >= (patience.ended_quiet_s if group.ended else patience.quiet_s):
            group.why = "whole" if group.ended else "quiet"
        elif age >= patience.max_age_s:
            group.why = "age"
        elif age >= patience.max_lag_s:
            group.why = "lag"
        else:
            return False
        return True

    def _passed(self, since: tuple[float, float], monotonic: float, caught_up: bool) -> float:
        by_log = self._log_time - since[0]
        return max(by_log, monotonic - since[1]) if caught_up else by_log
