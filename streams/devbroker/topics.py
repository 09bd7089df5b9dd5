"""The topics: what exists, with what settings, and where their logs are."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from streams.devbroker.codes import Code, Refusal
from streams.devbroker.files import OpenFiles
from streams.devbroker.journal import Journal
from streams.devbroker.log import PartitionLog
from streams.devbroker.settings import DevBrokerSettings
from streams.devbroker.topic_config import TopicConfig

LEGAL_NAME = re.compile(r"(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}")
MAX_PARTITIONS = 1_000


class Topic:
    """One topic. Its folder carries a number of its own: a topic made again under the same name starts empty."""

    def __init__(self, number: int, name: str, config: TopicConfig, logs: list[PartitionLog], folder: Path) -> None:
        self.number, self.name, self.config, self.logs, self.folder = number, name, config, logs, folder


class Topics:
    """All topics of a broker, by name."""

    def __init__(self, folder: Path, broker: DevBrokerSettings, journal: Journal, files: OpenFiles) -> None:
        self._folder, self._broker, self._journal, self._files = folder, broker, journal, files
        self._topics: dict[str, Topic] = {}
        self._next_number = 1

    def __iter__(self) -> Iterator[Topic]:
        return iter(self._topics.values())

    def find(self, name: str) -> Topic | None:
        return self._topics.get(name)

    def get(self, name: str) -> Topic:
        """Return a topic; `Refusal` when there is none."""
        topic = self._topics.get(name)
        if topic is None:
            raise Refusal(Code.UNKNOWN_TOPIC_OR_PARTITION, f"no topic {name!r}")
        return topic

    def log(self, name: str, partition: int) -> PartitionLog:
        """Return the log of a partition; `Refusal` when there is none."""
        logs = self.get(name).logs
        if not 0 <= partition < len(logs):
            raise Refusal(Code.UNKNOWN_TOPIC_OR_PARTITION, f"no partition {partition} in {name!r}")
        return logs[partition]

    def check_new(self, name: str, partitions: int, config: Mapping[str, str | None]) -> TopicConfig:
        """Check a topic that is to be made; `Refusal` says what is wrong."""
        if not LEGAL_NAME.fullmatch(name):
            raise Refusal(Code.INVALID_TOPIC_EXCEPTION, f"not a legal topic name: {name!r}")
        if name in self._topics:
            raise Refusal(Code.TOPIC_ALREADY_EXISTS, f"topic {name!r} already exists")
        if not 1 <= partitions <= MAX_PARTITIONS:
            raise Refusal(Code.INVALID_PARTITIONS, f"{partitions} partitions: must be in [1, {MAX_PARTITIONS}]")
        return TopicConfig.checked(config, self._broker)

    def create(self, name: str, partitions: int, config: Mapping[str, str | None]) -> Topic:
        """Make a topic, durably."""
        checked = self.check_new(name, partitions, config)
        self._journal.write("topic", self._next_number, name, partitions, dict(checked.given))
        return self._add(self._next_number, name, partitions, checked)

    def check_grown(self, name: str, partitions: int) -> Topic:
        topic = self.get(name)
        if not len(topic.logs) < partitions <= MAX_PARTITIONS:
            raise Refusal(Code.INVALID_PARTITIONS, f"topic {name!r} has {len(topic.logs)} partitions already")
        return topic

    def grow(self, name: str, partitions: int) -> None:
        """Give a topic more partitions."""
        topic = self.check_grown(name, partitions)
        self._journal.write("grown", name, partitions)
        self._extend(topic, partitions)

    def configure(self, name: str, config: TopicConfig) -> None:
        """Replace a topic's settings."""
        self._journal.write("configured", self.get(name).name, dict(config.given))
        self._configure(name, config)

    def delete(self, name: str) -> None:
        """Delete a topic and its records."""
        self._journal.write("deleted", self.get(name).name)
        self._remove(name)

    def delete_records(self, name: str, partition: int, offset: int) -> int:
        """Move a partition's start to `offset` (-1 is its end) and return where it is now."""
        log = self.log(name, partition)
        offset = log.end_offset if offset == -1 else offset
        if not 0 <= offset <= log.end_offset:
            raise Refusal(Code.OFFSET_OUT_OF_RANGE)
        self._journal.write("start", name, partition, offset)
        log.delete_before(offset)
        return log.start_offset

    def restore(self, kind: str, *fields) -> None:
        """Apply one event of the journal."""
        if kind == "topic":
            number, name, partitions, given = fields
            self._add(number, name, partitions, TopicConfig(given, self._broker))
        elif kind == "grown":
            self._extend(self.get(fields[0]), fields[1])
        elif kind == "configured":
            self._configure(fields[0], TopicConfig(fields[1], self._broker))
        elif kind == "deleted":
            self._remove(fields[0])
        elif kind == "start":
            self.log(fields[0], fields[1]).delete_before(fields[2])

    def snapshot(self) -> Iterator[tuple]:
        """The events that make the present state."""
        for topic in self:
            yield "topic", topic.number, topic.name, len(topic.logs), dict(topic.config.given)
            yield from (
                ("start", topic.name, log.partition, log.start_offset) for log in topic.logs if log.start_offset
            )

    def _add(self, number: int, name: str, partitions: int, config: TopicConfig) -> Topic:
        folder = self._folder / f"{number}-{name}"
        folder.mkdir(parents=True, exist_ok=True)
        topic = self._topics[name] = Topic(number, name, config, [], folder)
        self._extend(topic, partitions)
        self._next_number = max(self._next_number, number + 1)
        return topic

    def _extend(self, topic: Topic, partitions: int) -> None:
        for partition in range(len(topic.logs), partitions):
            topic.logs.append(PartitionLog(topic.folder, partition, topic.config, self._files))

    def _configure(self, name: str, config: TopicConfig) -> None:
        topic = self.get(name)
        topic.config = config
        for log in topic.logs:
            log.config = config

    def _remove(self, name: str) -> None:
        topic = self._topics.pop(name)
        for log in topic.logs:
            log.delete()
        shutil.rmtree(topic.folder, ignore_errors=True)
