"""Accounting: the topics are read again, and everything in them is looked for where it must have ended up.

Nothing is written, no consumer group is joined, and the workers may run. What a component has not yet come past is in
flight, by comparing positions that were read before the ends of the logs; what is not found at once is looked for again at
the end. Memory is bounded: what has to be remembered between two topics stands in a temporary file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from evaluators.run import Suite
from schemas.ids import Hasher
from schemas.settings import Settings, Topics
from sinks.warehouse import Position, Warehouse
from streams.kafka.log_range import LogRange, Place
from streams.reconcile.decisions import Decisions
from streams.reconcile.feedback import take_feedback
from streams.reconcile.ground import OPEN_ENDED, READERS, Ground
from streams.reconcile.measured import Measured
from streams.reconcile.report import Missing, Report
from streams.reconcile.scratch import Scratch
from streams.reconcile.spans import Spans
from streams.reconcile.verdicts import Verdicts

__all__ = ["Missing", "Report", "reconcile"]

STORING = ("evaluate", "judge", "monitor")
"""Components that store their positions in the warehouse."""

RECORDS_AT_ONCE = 500


async def reconcile(
    settings: Settings,
    warehouse: Warehouse,
    hasher: Hasher,
    suite: Suite,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    on_missing: Callable[[Missing], None] = lambda _: None,
    on_topic: Callable[[str, int], None] = lambda *_: None,
    advance: Callable[[int], None] = lambda _: None,
) -> Report:
    """Account for everything in [start, end) of the topics; from their beginnings, to their ends, where not given.

    Parameters
    ----------
    on_missing : told of each item that nothing accounts for.
    on_topic, advance : progress: the topic that is read next with its number of offsets, and how many were passed.

    Raises
    ------
    ConfigError : a topic does not exist. Unavailable : the broker or the warehouse does not answer.
    """
    report, started = Report(on_missing), datetime.now(UTC)
    stored = await asyncio.to_thread(_stored_positions, warehouse)
    monitor = await asyncio.to_thread(warehouse.monitor_account)
    with Scratch() as scratch:
        async with LogRange(settings.kafka, tuple(READERS), start, end, open_ended=OPEN_ENDED, readers=READERS) as log:
            ground = Ground(settings, warehouse, hasher, suite, log, stored, monitor, started, report, scratch)
            await _Pass(ground, on_topic, advance).run()
    return report


class _Pass:
    """One reading of the topics in the order of the flow."""

    def __init__(self, ground: Ground, on_topic: Callable[[str, int], None], advance: Callable[[int], None]) -> None:
        self._ground, self._on_topic, self._advance = ground, on_topic, advance
        self._spans, self._decisions = Spans(ground), Decisions(ground)
        self._verdicts, self._measured = Verdicts(ground), Measured(ground)

    async def run(self) -> None:
        takers: dict[str, Callable[[list[Any]], None]] = {
            Topics.OTLP_SPANS: lambda records: self._spans.take_exports(Topics.OTLP_SPANS, records),
            Topics.OTLP_SPANS_BY_TRACE: lambda records: self._spans.take_exports(Topics.OTLP_SPANS_BY_TRACE, records),
            Topics.TRACES: self._take_traces,
            Topics.SESSIONS: self._decisions.take_sessions,
            Topics.FEEDBACK: lambda records: take_feedback(self._ground, records),
            Topics.JUDGE_REQUESTS: self._verdicts.take,
            Topics.MEASUREMENTS: self._measured.take,
        }
        for topic in READERS:
            self._on_topic(topic, self._ground.log.size(topic))
            async for records in self._ground.log.read(topic, self._advance):
                for first in range(0, len(records), RECORDS_AT_ONCE):
                    await asyncio.to_thread(takers[topic], records[first : first + RECORDS_AT_ONCE])
        for finish in (self._spans.finish, self._verdicts.finish, self._decisions.finish, self._measured.finish):
            await asyncio.to_thread(finish)
        self._account_gaps()

    def _take_traces(self, records: list[Any]) -> None:
        self._decisions.take_traces(self._spans.take_traces(records))

    def _account_gaps(self) -> None:
        """What retention took before anybody read it is on record as such."""
        for gap in self._ground.warehouse.gaps():
            self._ground.report.add("records", "beyond_retention", gap.after - gap.first)


def _stored_positions(warehouse: Warehouse) -> dict[Place, Position]:
    found: dict[Place, Position] = {}
    for component in STORING:
        found.update(warehouse.positions(component))
    return found
