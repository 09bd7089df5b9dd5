"""The broker itself, without the network: its state on disk, its groups, its housekeeping."""

from __future__ import annotations

import logging
import time
from itertools import chain
from pathlib import Path

from streams.devbroker.files import OpenFiles
from streams.devbroker.groups import Group
from streams.devbroker.journal import Journal
from streams.devbroker.lock import DirectoryLock
from streams.devbroker.members import State
from streams.devbroker.offsets import Offsets
from streams.devbroker.settings import DevBrokerSettings
from streams.devbroker.topics import Topics

NODE_ID = 1
CLUSTER_ID = "evalstream-devbroker"
TOPIC_EVENTS = frozenset({"topic", "grown", "configured", "deleted", "start"})
OFFSET_EVENTS = frozenset({"offsets", "forgotten"})

log = logging.getLogger(__name__)


class Broker:
    """Everything that requests are answered from.

    Attributes
    ----------
    host, port : where clients are told to connect; set by the server once it listens.

    Raises
    ------
    ConfigError : another broker has the directory.
    Fatal : its journal is damaged.
    """

    def __init__(self, folder: Path, settings: DevBrokerSettings) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.settings, self.host, self.port = settings, "127.0.0.1", 0
        self._lock = DirectoryLock(folder)
        self._files = OpenFiles()
        self._journal = Journal(folder / "journal")
        self.topics = Topics(folder / "topics", settings, self._journal, self._files)
        self.offsets = Offsets(self._journal)
        self.groups: dict[str, Group] = {}
        self._next_producer_id = 1
        self._restore()

    def group(self, name: str) -> Group:
        """Return the group, which exists from now on."""
        found = self.groups.get(name)
        if found is None:
            found = self.groups[name] = Group(name, self.settings.join_window_s)
        return found

    def new_producer_id(self) -> int:
        """Return an id that was never given out before."""
        given, self._next_producer_id = self._next_producer_id, self._next_producer_id + 1
        self._journal.write("producers", self._next_producer_id)
        return given

    def delete_topic(self, name: str) -> None:
        """Delete a topic with all that is known of it."""
        self.topics.delete(name)
        self.offsets.forget_topic(name)

    def keep_house(self) -> None:
        """Apply retention, drop idle groups, shorten the journal. Called every few seconds."""
        now_ms = int(time.time() * 1000)
        for partition in chain.from_iterable(topic.logs for topic in self.topics):
            try:
                partition.retain(now_ms)
            except OSError:
                log.exception("retention failed in %s", partition.folder)
        for group in [group for group in self.groups.values() if group.state is State.EMPTY]:
            del self.groups[group.name]
        if self._journal.is_long:
            self._journal.rewrite(self._snapshot())

    def close(self) -> None:
        """Flush what is open to the disk and let the directory go."""
        for group in self.groups.values():
            group.close()
        self._journal.close()
        self._files.close()
        self._lock.release()

    def _restore(self) -> None:
        for kind, *fields in self._journal.replay():
            if kind in TOPIC_EVENTS:
                self.topics.restore(kind, *fields)
            elif kind in OFFSET_EVENTS:
                self.offsets.restore(kind, *fields)
            elif kind == "producers":
                self._next_producer_id = fields[0]
        self._journal.rewrite(self._snapshot())

    def _snapshot(self) -> chain:
        return chain(self.topics.snapshot(), self.offsets.snapshot(), [("producers", self._next_producer_id)])
