"""monitor: measurements become drift events, alerts and notifications, each exactly once.

Each partition of `measurements` has a state: detectors, alert windows, and for every source partition the offset up to
which it was counted. One transaction holds what a batch changed in all of that, and what it found. It begins with a
check of the partition's epoch, which every assignment raises: a stalled worker that wakes up can change nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from drift.monitor import Found
from drift.monitor import Monitor as Watch
from drift.observations import of_columns
from drift.protocol import Observations
from evaluators.profiles.learning import Learning
from evaluators.run import Suite
from schemas.alert import Alert
from schemas.drift_event import DriftEvent
from schemas.errors import Fenced, InvalidRecord
from schemas.measurement import MeasurementBatch
from schemas.profile import Feature
from schemas.settings import Topics
from sinks.outbox import OutboxSender
from sinks.warehouse import Subject
from streams.base.context import Abandoned, Context
from streams.base.crash_points import passing
from streams.base.dead_letters import DeadLetters
from streams.base.log_guard import LogGuard
from streams.base.poison import PoisonGuard
from streams.base.progress import Progress
from streams.base.repeats import SourcePlace, first_fresh, place_of
from streams.kafka.batch import Batch
from streams.monitoring.causes import with_cause
from streams.monitoring.learning import features_past, learning_of
from streams.monitoring.notifications import notifications
from streams.monitoring.retention import Retention
from streams.monitoring.typical_texts import with_typical_texts

log = structlog.get_logger(__name__)

OUTBOX_EVERY_S = 10.0


@dataclass(slots=True)
class Claimed:
    """A partition that this worker watches: its epoch, its state, and what it has counted of each source."""

    epoch: int
    watch: Watch
    learning: Learning
    positions: dict[SourcePlace, int]


class Monitor:
    """The component `monitor`."""

    name = "monitor"

    def __init__(
        self, context: Context, progress: Progress, suite: Suite, guard: LogGuard, outbox: OutboxSender
    ) -> None:
        self._context, self._progress, self._guard, self._outbox = context, progress, guard, outbox
        self._suite = suite
        self._dead_letters = DeadLetters(self.name, context)
        self._poison = PoisonGuard(self.name, context, self._dead_letters)
        self._claimed: dict[int, Claimed] = {}
        self._generation = -1
        self._lock = asyncio.Lock()
        self._retention = Retention(context.warehouse, context.settings.warehouse)
        self._sending: asyncio.Task[None] | None = None
        self._looked_at_outbox = -OUTBOX_EVERY_S
        self._deliveries = context.metrics.follower(context.metrics.notifications, outbox.attempts)

    @property
    def receivers(self) -> Mapping[str, Any]:
        return {Topics.MEASUREMENTS: self.receive}

    async def start(self) -> None:
        """Begin to deliver what stands in the outbox, and to delete what is too old."""
        self._sending = asyncio.create_task(self._outbox.run(lambda: sorted(self._claimed)))
        self._retention.start()

    async def receive(self, batch: Batch) -> None:
        """Count the measurements of a chunk that were not counted yet."""
        async with self._lock:
            self._progress.note(batch)
            try:
                self._drop_lost()
                await self._claim(batch.partition, batch)  # what was stored before is no fault of these records
                if await self._guard.admits(batch):
                    await self._poison.work_on(batch, self._guard.epoch(batch), self._count)
                    batch.ack()
            except (Abandoned, Fenced) as error:
                self._claimed.pop(batch.partition, None)
                log.info("partition taken away", partition=batch.partition, reason=str(error))

    async def tick(self) -> None:
        """What happens by the passing of time: no data, lag, reminders."""
        async with self._lock:
            self._drop_lost()
            for tp in sorted(self._progress.assigned()):
                try:
                    await self._let_time_pass(tp.partition)
                except (Abandoned, Fenced) as error:
                    self._claimed.pop(tp.partition, None)
                    log.info("partition taken away", partition=tp.partition, reason=str(error))
        await self._look_at_outbox()

    def state(self) -> dict[str, Any]:
        """For the heartbeat."""
        return {"claimed": sorted(self._claimed), "dead_letters": dict(self._dead_letters.counts)}

    def observe(self) -> None:
        """Attempts to deliver, and the states that alert rules are in."""
        self._deliveries()
        states = sum((claimed.watch.alert_states() for claimed in self._claimed.values()), Counter[tuple[str, str]]())
        gauge = self._context.metrics.alert_segments
        gauge.clear()
        for (rule, state), count in states.items():
            gauge.labels(rule, state).set(count)

    async def reload(self, suite: Suite) -> None:
        """Watch and learn by other rules, detectors and evaluators: each partition is claimed anew, with the state that is stored."""
        async with self._lock:
            self._suite = suite
            self._claimed.clear()
        self._outbox.use(self._context.settings.notify)

    async def drain(self) -> None:
        """Nothing goes on beside the batch in hand but deliveries, and those can be ended at any time."""

    async def close(self) -> None:
        """Stop delivering; what is not delivered stands in the outbox."""
        await self._retention.close()
        if self._sending:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)

    # --- counting ------------------------------------------------------------------------------------------------

    async def _count(self, batch: Batch) -> None:
        claimed = await self._claim(batch.partition, batch)
        observations, features = await self._read(batch, claimed)
        self._context.metrics.measurements.inc(len(observations))
        passing("monitor.read", about=observations.traces)
        if features:
            await asyncio.to_thread(claimed.learning.learn, features)
            for reason, count in claimed.learning.take_dropped().items():
                self._context.drop("feature", reason, count)
        found = Found()
        if observations:
            found = await asyncio.to_thread(claimed.watch.update, observations, now=datetime.now(UTC))
        await self._commit(batch.partition, claimed, found, batch)

    async def _read(self, batch: Batch, claimed: Claimed) -> tuple[Observations, list[Feature]]:
        """What lies past the positions, which are moved on."""
        fresh: list[tuple[MeasurementBatch, list[int]]] = []
        features: list[Feature] = []
        letters = []
        for record in batch.records:
            try:
                columns = MeasurementBatch.from_bytes(record.value or b"")
                if columns.partition_count != self._context.partitions[Topics.MEASUREMENTS]:
                    raise InvalidRecord(
                        "partition_count", f"written for {columns.partition_count} partitions of `measurements`"
                    )
            except Exception as error:  # whatever it is, one record must not stop the stream
                letters.append(self._dead_letters.letter(record, batch.topic, self._guard.epoch(batch), error))
                continue
            counted = claimed.positions.get(place_of(columns), -1)
            first = first_fresh(columns, claimed.positions)
            self._context.metrics.dropped.labels("measurement", "counted_before").inc(first)
            if first < len(columns.offset):
                fresh.append((columns, list(range(first, len(columns.offset)))))
            features += features_past(columns, counted)
        await self._dead_letters.bury(batch, letters)
        return of_columns(await self._not_deleted(batch, fresh)), features

    async def _not_deleted(
        self, batch: Batch, fresh: list[tuple[MeasurementBatch, list[int]]]
    ) -> list[tuple[MeasurementBatch, list[int]]]:
        """Without the rows of traces that a person had deleted, which no drift event shall name."""
        warehouse = self._context.warehouse
        subjects = {Subject("trace", trace_id) for columns, _ in fresh for trace_id in columns.traces}
        found = await self._context.in_thread(batch, "tombstones", lambda: warehouse.tombstoned(subjects))
        gone = {subject.id for subject in found}
        if not gone:
            return fresh
        kept = [(c, [row for row in rows if c.traces[c.trace[row]] not in gone]) for c, rows in fresh]
        here = sum(len(rows) for _, rows in fresh) - sum(len(rows) for _, rows in kept)
        self._context.drop("measurement", "deleted", here)
        return [(columns, rows) for columns, rows in kept if rows]

    async def _let_time_pass(self, partition: int) -> None:
        claimed = await self._claim(partition, None)
        caught_up = self._progress.caught_up(Topics.MEASUREMENTS, partition)
        found = await asyncio.to_thread(claimed.watch.tick, now=datetime.now(UTC), caught_up=caught_up)
        await self._commit(partition, claimed, found, None)

    # --- state ---------------------------------------------------------------------------------------------------

    async def _claim(self, partition: int, batch: Batch | None) -> Claimed:
        """The state of a partition, taken up when it is new to us."""
        if partition not in self._claimed:
            context, settings = self._context, self._context.settings
            claim = await context.in_thread(
                batch, "claiming a partition", lambda: context.warehouse.claim_partition(partition)
            )
            watch = Watch(
                settings.monitor,
                settings.alerts,
                partition=partition,
                partition_count=context.partitions[Topics.MEASUREMENTS],
                project=settings.project,
                environment=settings.environment,
            )
            learning = learning_of(self._suite, settings.monitor, context.partitions[Topics.MEASUREMENTS])
            await asyncio.to_thread(watch.load, claim.rows)
            await asyncio.to_thread(learning.load, claim.rows)
            self._claimed[partition] = Claimed(claim.epoch, watch, learning, dict(claim.positions))
        return self._claimed[partition]

    async def _commit(self, partition: int, claimed: Claimed, found: Found, batch: Batch | None) -> None:
        """Store all that changed in one transaction."""
        context = self._context
        alerts = await context.in_thread(batch, "explaining alerts", lambda: [self._explained(a) for a in found.alerts])
        events = await context.in_thread(
            batch,
            "explaining changes",
            lambda: [self._told(event) for event in found.drift_events],
        )
        passing("monitor.counted")
        rows = [*claimed.watch.dirty(), *claimed.learning.dirty()]
        profiles = claimed.learning.published()
        read = [self._guard.position(batch, batch.records[-1])] if batch is not None else []
        if not rows and not alerts and not events and not read:
            return
        await context.in_thread(
            batch,
            "storing what was found",
            lambda: context.warehouse.commit_monitor(
                partition,
                claimed.epoch,
                rows=rows,
                positions=claimed.positions,
                read=read,
                drift_events=events,
                alerts=alerts,
                notifications=notifications(alerts, events, context.settings),
                profiles=profiles,
            ),
        )
        passing("monitor.committed")
        self._tell(alerts, found)

    def _told(self, event: DriftEvent) -> DriftEvent:
        """With its cause, or the texts that it is about."""
        settings, warehouse = self._context.settings, self._context.warehouse
        event = with_cause(event, warehouse, settings)
        return with_typical_texts(event, warehouse, settings.evaluators, settings.monitor.typical_texts)

    def _explained(self, alert: Alert) -> Alert:
        """With the traces that pulled the statistic and the labels that changed with it."""
        if alert.window_start is None or alert.window_end is None or alert.state not in ("WARNING", "CRITICAL"):
            return alert
        warehouse = self._context.warehouse
        below = next((rule.below for rule in self._context.settings.alerts if rule.name == alert.rule), True)
        worst = warehouse.worst(
            alert.segment,
            alert.window_start,
            alert.window_end,
            below=below,
            failed_only=alert.statistic == "pass_rate",
        )
        labels = warehouse.label_changes(alert.segment, alert.window_start, alert.window_end)
        return alert.model_copy(update={"worst": tuple(worst), "labels_changed": tuple(labels)})

    async def _look_at_outbox(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._looked_at_outbox < OUTBOX_EVERY_S:
            return
        self._looked_at_outbox = now
        depth = await self._context.in_thread(None, "looking at the outbox", self._context.warehouse.outbox_depth)
        metrics = self._context.metrics
        metrics.outbox_depth.clear()
        for destination, count in depth.items():
            metrics.outbox_depth.labels(metrics.bounded("destination", destination)).set(count)

    def _tell(self, alerts: Sequence[Alert], found: Found) -> None:
        metrics = self._context.metrics
        for reason, count in found.dropped.items():
            metrics.dropped.labels("measurement", reason).inc(count)
        for event in found.drift_events:
            metrics.drift_events.labels(metrics.bounded("evaluator", event.segment.evaluator)).inc()
        for alert in alerts:
            metrics.alerts.labels(alert.rule, alert.state).inc()
            log.info("alert", rule=alert.rule, state=alert.state, segment=alert.segment.key, value=alert.value)

    def _drop_lost(self) -> None:
        """After a rebalance, every partition is claimed anew: the epoch shows whether it was ours throughout."""
        if self._context.generation() != self._generation:
            self._generation = self._context.generation()
            self._claimed.clear()
