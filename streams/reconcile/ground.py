"""What every check stands on: settings, warehouse, how far each component had come when the reconciliation began."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from evaluators.run import Suite
from schemas.ids import Hasher
from schemas.settings import Settings, Topics
from sinks.warehouse import MonitorAccount, Position, Subject, Warehouse
from streams.kafka.log_range import LogRange, Place
from streams.reconcile.report import Check, Missing, Report
from streams.reconcile.scratch import Scratch

READERS: Mapping[str, str] = {
    Topics.OTLP_SPANS: "assemble",
    Topics.OTLP_SPANS_BY_TRACE: "assemble",
    Topics.TRACES: "evaluate",
    Topics.SESSIONS: "evaluate",
    Topics.FEEDBACK: "evaluate",
    Topics.JUDGE_REQUESTS: "judge",
    Topics.MEASUREMENTS: "monitor",
}
"""The topics that are read, in the order of the flow, and the component that works on each."""

OPEN_ENDED = (Topics.TRACES, Topics.SESSIONS, Topics.JUDGE_REQUESTS, Topics.MEASUREMENTS)
"""Topics in which what came of the range may lie beyond its end."""


@dataclass(frozen=True)
class Ground:
    """What was known when it began. `stored` and `monitor` were read before the ends of the logs."""

    settings: Settings
    warehouse: Warehouse
    hasher: Hasher
    suite: Suite
    log: LogRange
    stored: Mapping[Place, Position]
    monitor: MonitorAccount
    started: datetime
    report: Report
    scratch: Scratch

    def done(self, topic: str, partition: int) -> int:
        """The offset below which the topic's reader has durably done everything: below its commit, and below the position
        in the warehouse where there is one. A log that is shorter than either was made again and is not begun."""
        place = topic, partition
        known = [self.log.committed.get(place, 0)]
        if place in self.stored:
            known.append(self.stored[place].next_offset)
        return min(known) if max(known) <= self.log.extents[place].end else 0

    def is_done(self, topic: str, record: Any) -> bool:
        """Whether the topic's reader has come past the record."""
        return record.offset < self.done(topic, record.partition)

    def epoch(self, topic: str, partition: int) -> int:
        """The epoch of the log as it is now."""
        position = self.stored.get((topic, partition))
        return position.epoch if position else 0

    def is_asked_about(self, record: Any) -> bool:
        """Whether the record itself lies in the range; what came of it may lie behind it."""
        return self.log.end is None or record.timestamp < self.log.end.timestamp() * 1000

    def deleted(self, trace_ids: Iterable[str]) -> set[str]:
        """Those of the traces that a person had deleted."""
        return {subject.id for subject in self.warehouse.tombstoned({Subject("trace", key) for key in trace_ids})}

    def is_beyond_retention(self, written: datetime) -> bool:
        """Whether the warehouse may have dropped what was written then."""
        days = self.settings.warehouse.retention_days
        return days is not None and written < self.started - timedelta(days=days)

    def account_unread(self, check: Check, topic: str, records: Sequence[Any]) -> None:
        """Records that nobody could decode: each is a dead letter, or not yet read, or lost."""
        buried = self.warehouse.letters_at(topic, [record.offset for record in records]) if records else set()
        for record in records:
            if (record.partition, record.offset) in buried:
                self.report.add(check, "dead_letter")
            elif not self.is_done(topic, record):
                self.report.add(check, "in_flight")
            else:
                self.report.miss(
                    Missing(
                        check,
                        "record_lost",
                        topic=topic,
                        partition=record.partition,
                        offset=record.offset,
                        detail="it cannot be decoded and is no dead letter",
                    )
                )

    def remember(self, kind: str, keys: Iterable[str]) -> None:
        """Note keys that wait in a part of the log that is not worked on yet."""
        self.scratch.remember(kind, keys)
