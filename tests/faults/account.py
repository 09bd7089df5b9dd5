"""What became of everything, once it has come to rest: lost, twice, and whether the detectors are where they must be."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from drift.monitor import Monitor
from drift.observations import of_columns
from schemas.alert import Alert
from schemas.measurement import MeasurementBatch
from schemas.settings import Topics, load_settings
from streams.base.repeats import SourcePlace, first_fresh
from tests.e2e.raw_kafka import read_all
from tests.e2e.stack import Stack
from tests.e2e.test_pipeline import decisions
from tests.faults.webhooks import Webhooks

TWICE = ("measured_twice",)
TOLD = 5

Decision = tuple[Any, ...]


@dataclass
class Account:
    """Counts of what is wrong; all zero is right. `told` are examples."""

    lost: int = 0
    twice: int = 0
    differing: int = 0
    undelivered: int = 0
    told: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        return not (self.lost or self.twice or self.differing or self.undelivered)

    def tell(self, what: str, items: Sequence[Any]) -> int:
        """Note examples; how many there are."""
        if items:
            self.told.append(f"{len(items)} {what}: {', '.join(map(str, items[:TOLD]))}")
        return len(items)


def account(stack: Stack, expected: Sequence[Decision], webhooks: Webhooks) -> Account:
    """Take stock of a stack at rest."""
    found = Account()
    _reconcile(stack, found)
    _compare(stack, expected, found)
    _compare_detectors(stack, found)
    _look_for_notifications(stack, webhooks, found)
    return found


def comparable(stack: Stack) -> list[Decision]:
    """The current decisions, equal on both databases."""
    rows = [(*row[:6], None if row[6] is None else bool(row[6]), row[7]) for row in decisions(stack)]
    return sorted(rows, key=lambda row: row[:3])


def _reconcile(stack: Stack, found: Account) -> None:
    documents = stack.cli("reconcile", check=False)
    if not documents:
        raise AssertionError("evalstream reconcile gave no answer")
    missing = documents[:-1]
    found.twice += found.tell("reconciled as twice", [m for m in missing if m["reason"] in TWICE])
    found.lost += found.tell("reconciled as missing", [m for m in missing if m["reason"] not in TWICE])


def _compare(stack: Stack, expected: Sequence[Decision], found: Account) -> None:
    """With the decisions of a run that nothing interrupted."""
    made = comparable(stack)
    wanted, there = Counter(row[:3] for row in expected), Counter(row[:3] for row in made)
    found.lost += found.tell("decisions lost", list((wanted - there).elements()))
    found.twice += found.tell("decisions twice or unasked", list((there - wanted).elements()))
    if wanted == there:
        pairs = zip(expected, made, strict=True)
        found.differing += found.tell("decisions that differ", [pair for pair in pairs if pair[0] != pair[1]])
    letters = stack.sql("SELECT component, reason, detail FROM dead_letters")
    found.lost += found.tell("dead letters", letters)


def _compare_detectors(stack: Stack, found: Account) -> None:
    """The stored state against one computed from the topic in one go, repetitions dropped: bit for bit.

    Alert rules also hear the wall clock, so their rows are left out.
    """
    settings, _ = load_settings(stack.config)
    partitions: dict[int, list[Any]] = {}
    for record in asyncio.run(read_all(stack, Topics.MEASUREMENTS)):
        partitions.setdefault(record.partition, []).append(record)
    computed: dict[tuple[int, str, str], bytes] = {}
    for partition, records in partitions.items():
        positions: dict[SourcePlace, int] = {}
        parts = []
        for record in sorted(records, key=lambda r: r.offset):
            batch = MeasurementBatch.from_bytes(record.value)
            parts.append((batch, range(first_fresh(batch, positions), len(batch.offset))))
        monitor = Monitor(
            settings.monitor,
            settings.alerts,
            partition=partition,
            partition_count=settings.kafka.partitions,
            project=settings.project,
            environment=settings.environment,
        )
        monitor.update(of_columns(parts), now=datetime.now(UTC))
        for row in monitor.dirty():
            if _is_of_detectors(row.kind):
                computed[partition, row.kind, row.key] = row.state
    kinds = {kind for _, kind, _ in computed}
    stored = {
        (partition, kind, key): bytes.fromhex(state)
        for partition, kind, key, state in stack.sql('SELECT "partition", kind, key, state FROM monitor_state')
        if kind in kinds  # what is learned for profiles has rows of its own there
    }
    keys = stored.keys() | computed.keys()
    wrong = sorted(key for key in keys if stored.get(key) != computed.get(key))
    found.differing += found.tell(f"states of {len(keys)} that differ", wrong)
    if not computed:
        raise AssertionError("the monitor has no state to compare")


def _is_of_detectors(kind: str) -> bool:
    return kind != "monitor" and not kind.startswith("rule:")


def _look_for_notifications(stack: Stack, webhooks: Webhooks, found: Account) -> None:
    """Every alert reached the topic and, if somebody is to be told, the webhook; always under one id."""
    alerts = dict(stack.sql("SELECT alert_id, notify FROM alerts"))
    bodies: dict[str, set[bytes]] = {}
    for record in asyncio.run(read_all(stack, Topics.ALERTS)):
        bodies.setdefault(Alert.from_bytes(record.value).alert_id, set()).add(record.value)
    missing = [alert_id for alert_id in alerts if alert_id not in bodies]
    missing += [alert_id for alert_id, notify in alerts.items() if notify and alert_id not in webhooks.bodies]
    found.undelivered += found.tell("alerts not delivered", missing)
    unknown = [alert_id for alert_id in {*bodies, *webhooks.bodies} if alert_id not in alerts]
    found.twice += found.tell("notifications of alerts that are not on record", unknown)
