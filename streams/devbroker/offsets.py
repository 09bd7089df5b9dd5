"""Committed offsets of consumer groups, durable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from streams.devbroker.codes import Code, Refusal
from streams.devbroker.journal import Journal

MAX_METADATA_BYTES = 4096


class Committed(NamedTuple):
    """One committed position."""

    topic: str
    partition: int
    offset: int
    leader_epoch: int
    metadata: str


class Offsets:
    """The last committed position by group, topic and partition."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._groups: dict[str, dict[tuple[str, int], Committed]] = {}

    def groups(self) -> Iterator[str]:
        return iter(self._groups)

    def of(self, group: str) -> dict[tuple[str, int], Committed]:
        """Positions of a group by (topic, partition)."""
        return self._groups.get(group, {})

    def commit(self, group: str, positions: list[Committed]) -> None:
        """Store positions; they are durable when this returns."""
        if positions:
            self._journal.write("offsets", group, [tuple(position) for position in positions])
            self._store(group, positions)

    def forget(self, group: str, partitions: Iterable[tuple[str, int]]) -> None:
        """Remove positions; a group without any is gone."""
        gone = [key for key in partitions if key in self.of(group)]
        if gone:
            self._journal.write("forgotten", group, gone)
            self._remove(group, gone)

    def forget_group(self, group: str) -> None:
        self.forget(group, list(self.of(group)))

    def forget_topic(self, topic: str) -> None:
        """Remove the positions of all groups in a topic that is deleted."""
        for group, positions in list(self._groups.items()):
            self.forget(group, [key for key in positions if key[0] == topic])

    def restore(self, kind: str, *fields) -> None:
        """Apply one event of the journal."""
        if kind == "offsets":
            self._store(fields[0], [Committed(*position) for position in fields[1]])
        elif kind == "forgotten":
            self._remove(fields[0], [(topic, partition) for topic, partition in fields[1]])

    def snapshot(self) -> Iterator[tuple]:
        """The events that make the present state."""
        for group, positions in self._groups.items():
            yield "offsets", group, [tuple(position) for position in positions.values()]

    def _store(self, group: str, positions: list[Committed]) -> None:
        self._groups.setdefault(group, {}).update({(each.topic, each.partition): each for each in positions})

    def _remove(self, group: str, partitions: list[tuple[str, int]]) -> None:
        positions = self._groups.get(group, {})
        for key in partitions:
            positions.pop(key, None)
        if not positions:
            self._groups.pop(group, None)


def check_metadata(metadata: str | None) -> str:
    """Return what is to be stored; `Refusal` when it is too long."""
    if len((metadata or "").encode()) > MAX_METADATA_BYTES:
        raise Refusal(Code.OFFSET_METADATA_TOO_LARGE)
    return metadata or ""
