"""Whether everything runs, and whether everything that was published has been worked on.

"Caught up" is asked of the broker, stage by stage in the order of the flow: the end of a topic first, then what its
reader has committed. A commit comes after all that came of a record, so whatever stood in the first topic when we asked
has reached the next one before we look there. A log may end in transaction markers, which no commit ever covers: there
the reader's own word counts, if it is younger than our question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from schemas.errors import EvalstreamError
from schemas.settings import Settings, Topics
from sinks.warehouse import ComponentState
from streams.kafka.app import group_of
from streams.kafka.connection import client_options, why_no_answer
from streams.kafka.stopping import stop
from streams.kafka.topics import partitions_of
from streams.opening import open_existing

FRESH_S = 5.0
BROKER_WAIT_S = 5.0
OWN_WORD_WAIT_S = 3.0
OWN_WORD_AGE_S = 1.0  # a worker learns of the end of a log from its fetches, at most this much later
LOOK_EVERY_S = 0.2
STAGES: tuple[tuple[str, str], ...] = (
    (Topics.OTLP_SPANS, "assemble"),
    (Topics.OTLP_SPANS_BY_TRACE, "assemble"),
    (Topics.FEEDBACK, "evaluate"),
    (Topics.TRACES, "evaluate"),
    (Topics.SESSION_TRACES, "evaluate"),
    (Topics.SESSIONS, "evaluate"),
    (Topics.JUDGE_REQUESTS, "judge"),
    (Topics.MEASUREMENTS, "monitor"),
)
COMPONENTS = ("assemble", "evaluate", "judge", "monitor")
SESSION_STAGES = (Topics.SESSION_TRACES, Topics.SESSIONS)


@dataclass
class Status:
    """What was found. `lag` is in records, by topic."""

    components: dict[str, dict[str, Any]] = field(default_factory=dict)
    broker: dict[str, Any] = field(default_factory=dict)
    warehouse: dict[str, Any] = field(default_factory=dict)
    lag: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    caught_up: bool = False

    @property
    def ready(self) -> bool:
        """The broker and the warehouse answer and all four components are at work."""
        return (
            bool(self.broker.get("answers"))
            and bool(self.warehouse.get("answers"))
            and all(self.components.get(name, {}).get("ready") for name in COMPONENTS)
        )

    def as_json(self) -> dict[str, Any]:
        shown = {name: getattr(self, name) for name in ("components", "broker", "warehouse", "lag", "counts")}
        return {"ready": self.ready, "caught_up": self.caught_up, **shown}


async def read_status(settings: Settings) -> Status:
    """Look at everything once; what does not answer is part of the answer."""
    status = Status()
    await asyncio.to_thread(_look_at_warehouse, settings, status)
    try:
        async with asyncio.timeout(BROKER_WAIT_S + OWN_WORD_WAIT_S * len(STAGES)):
            caught_up = await _look_at_broker(settings, status)
    except (KafkaError, OSError, TimeoutError, EvalstreamError) as error:
        status.broker = {**status.broker, "answers": False, "error": str(error) or type(error).__name__}
    else:
        status.caught_up = caught_up and status.ready
        if status.caught_up:  # the counts that belong to this answer
            await asyncio.to_thread(_look_at_warehouse, settings, status)
    return status


def read_heartbeats(settings: Settings) -> Status:
    """What the warehouse says, without asking the broker."""
    status = Status()
    _look_at_warehouse(settings, status)
    return status


def heartbeats_by_component(rows: Sequence[ComponentState], now: datetime) -> dict[str, dict[str, Any]]:
    """The instances that reported lately, joined: ready when one is, caught up when all are."""
    found: dict[str, dict[str, Any]] = {}
    for name in COMPONENTS:
        fresh = [row for row in rows if row.component == name and now - row.seen < timedelta(seconds=FRESH_S)]
        last = max((row.seen for row in rows if row.component == name), default=None)
        found[name] = {
            "ready": any(row.state.get("ready") for row in fresh),
            "caught_up": bool(fresh) and all(row.state.get("caught_up") for row in fresh),
            "seen_at": last,
            "instances": [{**row.state, "instance": row.instance, "seen_at": row.seen} for row in fresh],
        }
        for figure in ("lag", "open_traces", "in_flight"):
            found[name][figure] = sum(row.state.get(figure) or 0 for row in fresh)
    return found


def _look_at_warehouse(settings: Settings, status: Status) -> None:
    try:
        warehouse = open_existing(settings)
        try:
            status.components = heartbeats_by_component(warehouse.components(), datetime.now(UTC))
            status.counts = warehouse.counts()
            status.warehouse = {"url": warehouse.database.where, "answers": True}
        finally:
            warehouse.close()
    except EvalstreamError as error:
        status.warehouse = {"answers": False, "error": str(error)}


async def _look_at_broker(settings: Settings, status: Status) -> bool:
    kafka = settings.kafka
    status.broker = {"bootstrap_servers": kafka.bootstrap_servers, "answers": False}
    options = client_options(kafka)
    admin, consumer = AIOKafkaAdminClient(**options), AIOKafkaConsumer(**options)
    try:
        async with asyncio.timeout(BROKER_WAIT_S):
            try:
                await admin.start()
                await consumer.start()
            except KafkaError as error:
                raise await why_no_answer(kafka, error) from error
            partitions = await partitions_of(admin, [kafka.topic_prefix + topic for topic, _ in STAGES])
        status.broker["answers"] = True
        return await _stages(settings, status, admin, consumer, partitions)
    finally:
        await stop(consumer)
        await admin.close()


async def _stages(
    settings: Settings,
    status: Status,
    admin: AIOKafkaAdminClient,
    consumer: AIOKafkaConsumer,
    partitions: Mapping[str, list[TopicPartition]],
) -> bool:
    # the client learns of all topics at once: 0.1 s now instead of at every stage
    await consumer.end_offsets([tp for found in partitions.values() for tp in found])
    sessions = any(entry.target == "session" and entry.enabled for entry in settings.evaluators)
    all_read = True
    for topic, component in STAGES:
        name = settings.kafka.topic_prefix + topic
        asked = datetime.now(UTC)
        behind = await _lag(admin, consumer, partitions[name], group_of(component, settings.kafka))
        status.lag[topic] = behind
        if topic in SESSION_STAGES and not sessions:
            continue  # no decision waits for them
        if behind and all_read:
            all_read = await _says_it_is_done(settings, component, asked)
        else:
            all_read = all_read and not behind
    return all_read


async def _lag(
    admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, partitions: list[TopicPartition], group: str
) -> int:
    if not partitions:
        return 0
    ends: Mapping[TopicPartition, int] = await consumer.end_offsets(partitions)
    begins: Mapping[TopicPartition, int] = await consumer.beginning_offsets(partitions)
    committed = await admin.list_consumer_group_offsets(group, partitions=partitions)
    lag = 0
    for tp in partitions:
        held = committed.get(tp)
        position = held.offset if held is not None and held.offset >= 0 else begins[tp]
        lag += max(ends[tp] - max(position, begins[tp]), 0)
    return lag


async def _says_it_is_done(settings: Settings, component: str, asked: datetime) -> bool:
    """Whether every instance says, later than we asked, that it has nothing left."""
    until = asyncio.get_running_loop().time() + OWN_WORD_WAIT_S
    young = asked + timedelta(seconds=OWN_WORD_AGE_S)
    while asyncio.get_running_loop().time() < until:
        looked = Status()
        await asyncio.to_thread(_look_at_warehouse, settings, looked)
        found = looked.components.get(component, {})
        if not found.get("caught_up") or found.get("open_traces"):
            return False
        if all(instance["seen_at"] >= young for instance in found["instances"]):
            return True
        await asyncio.sleep(LOOK_EVERY_S)
    return False
