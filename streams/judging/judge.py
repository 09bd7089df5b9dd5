"""judge: requests become verdicts, many at once, published in the order in which they were asked.

A window slides over the records: each request runs as a task of its own, bounded in number, so that a slow one idles
nothing. A verdict is stored as soon as it is there. Measurements leave in source order, for the monitor takes a lower
offset after a higher one for a repetition; a chunk is acknowledged when everything in it has left.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, groupby
from typing import Any

import structlog

from evaluators.run import Suite
from schemas.dead_letter import DeadLetter
from schemas.judge_request import JudgeRequest
from schemas.score import DecisionKey, Score
from schemas.settings import Topics
from schemas.source import Source
from streams.base.context import Abandoned, Context
from streams.base.crash_points import passing
from streams.base.dead_letters import DeadLetters
from streams.base.emission import measurement_records, positioned, score_records
from streams.base.log_guard import LogGuard
from streams.base.poison import PoisonGuard
from streams.base.progress import Progress
from streams.judging.bench import Bench, Vectors
from streams.judging.canary_schedule import CanarySchedule
from streams.judging.shared import subjects_asked_about
from streams.judging.verdict_writer import VerdictWriter
from streams.kafka.batch import Batch
from streams.telemetry.tally import count_decisions, observe_judge

log = structlog.get_logger(__name__)

Place = tuple[str, int]
REPEATS_EVERY_S = 0.05
SURVIVED_S = 10.0  # what kills a process does so at once; a slow provider must not hold up the partition


@dataclass(slots=True, eq=False)
class Asked:
    """One request on its way. `scores` are those that this record made; None while it runs."""

    request: JudgeRequest
    record: Any
    batch: Batch
    source: Source
    scores: list[Score] | None = None
    vectors: Vectors = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Passed:
    """A record of which nothing comes; it has its place among the requests, so that the position passes it in its turn."""

    record: Any
    batch: Batch
    source: Source
    scores: Sequence[Score] = ()


class Judge:
    """The component `judge`."""

    name = "judge"

    def __init__(
        self,
        context: Context,
        progress: Progress,
        suite: Suite,
        guard: LogGuard,
    ) -> None:
        self._context, self._progress, self._guard = context, progress, guard
        self._bench = self._new_bench(suite, None)
        self._dead_letters = DeadLetters(self.name, context)
        self._poison = PoisonGuard(self.name, context, self._dead_letters)
        self._writer = VerdictWriter(context)
        self._canaries = CanarySchedule(context)
        self._queues: dict[Place, deque[Asked | Passed]] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self._emitting: dict[Place, asyncio.Lock] = {}
        self._generation = -1

    @property
    def receivers(self) -> Mapping[str, Any]:
        return {Topics.JUDGE_REQUESTS: self.receive}

    async def start(self) -> None:
        """Give the evaluators what they ask through, and start storing verdicts.

        Raises
        ------
        ConfigError : a judge needs a key or an endpoint, an embedder its extra.
        """
        self._bench.attach()
        self._writer.start()

    async def receive(self, batch: Batch) -> None:
        """Set the requests of a chunk going; returns when the window has room for more."""
        self._progress.note(batch)
        self._drop_lost()
        try:
            if await self._guard.admits(batch):
                batch.open = 1  # holds the acknowledgement until all parts are taken up
                for part in self._guard.parts(batch):
                    await self._let_repeats_leave(batch, part)
                    await self._poison.work_on(part, self._guard.epoch(batch), lambda part: self._take_up(batch, part))
                batch.forget_records()
                _let_go(batch)
        except Abandoned:
            log.info("partition taken away", topic=batch.topic, partition=batch.partition)

    async def _let_repeats_leave(self, batch: Batch, part: Batch) -> None:
        """Begin what was not measured yet when all that was measured before is settled: then it is measured as before."""
        place = batch.place
        while (queue := self._queues.get(place)) and (
            self._guard.was_measured(place, queue[0].source.offset)
            and not self._guard.was_measured(place, part.first_offset)
        ):
            if not self._context.holds(batch):
                raise Abandoned("waiting for what was measured before")
            await asyncio.sleep(REPEATS_EVERY_S)

    async def tick(self) -> None:
        """Shed more or less, by how long those that are next to leave have waited; run canaries that are due."""
        for place, queue in self._queues.items():
            if queue:
                self._bench.overload.note(place, queue[0].record)
        self._bench.overload.tick()
        await self._canaries.tick()

    def state(self) -> dict[str, Any]:
        """For the heartbeat."""
        return {
            "in_flight": self._in_window(),
            "dead_letters": dict(self._dead_letters.counts),
        }

    def observe(self) -> None:
        """Requests on their way, verdicts not yet stored, and what the judge's runtime knows."""
        metrics = self._context.metrics
        metrics.buffered.labels("judge_window").set(self._in_window())
        metrics.buffered.labels("verdicts_to_store").set(len(self._writer))
        self._bench.observe()

    async def reload(self, suite: Suite) -> None:
        """Answer by another configuration from now on; what is in hand is finished by the one it was begun with."""
        bench = self._new_bench(suite, self._bench)
        bench.attach()
        before, self._bench = self._bench, bench
        task = asyncio.create_task(_retire(before))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def drain(self) -> None:
        """Let the requests that are under way be answered and sent on."""
        await self._bench.finish()
        if self._retiring:
            await asyncio.wait(self._retiring)

    async def close(self) -> None:
        """Stop what runs; unacknowledged requests are read again."""
        for task in self._retiring:
            task.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        await self._canaries.close()
        await self._bench.close()
        await self._writer.close()

    def _new_bench(self, suite: Suite, before: Bench | None) -> Bench:
        return Bench(
            self._context,
            suite,
            at_rest=lambda place: not self._queues.get(place),
            waiting=lambda: self._progress.total_behind() + self._in_window(),
            before=before,
        )

    # --- taking up -----------------------------------------------------------------------------------------------

    async def _take_up(self, batch: Batch, part: Batch) -> None:
        """Set the requests of a part going; returns when it is clear that they kill nobody."""
        read, letters = self._read(batch, part.records)
        await self._dead_letters.bury(batch, letters)
        taken = await self._without_deleted(batch, read)
        asked = [one for one in taken if isinstance(one, Asked)]
        batch.open += len(taken)
        stored, current = await self._known(batch, asked) if asked else ({}, {})
        queue = self._queues.setdefault(batch.place, deque())
        tasks: list[asyncio.Task[None]] = []
        for one in taken:
            queue.append(one)
            if isinstance(one, Asked):
                tasks.append(await self._bench.begin(partial(self._answer, self._bench, one, stored, current)))
        await self._emit(batch)  # what is passed over, and has nobody after it who would
        if tasks and self._poison.is_watched(batch):
            await asyncio.wait(tasks, timeout=SURVIVED_S)

    async def _known(self, batch: Batch, asked: Sequence[Asked]) -> tuple[dict[DecisionKey, Score], dict[str, str]]:
        """What is stored of the traces that are asked about: their scores, and which fingerprint is the current one."""
        warehouse, trace_ids = self._context.warehouse, sorted({one.request.trace_id for one in asked})
        stored = await self._context.in_thread(batch, "verdicts", lambda: warehouse.stored_scores(trace_ids))
        current = await self._context.in_thread(batch, "fingerprints", lambda: warehouse.fingerprints(trace_ids))
        return stored, current

    async def _without_deleted(self, batch: Batch, read: Sequence[Asked | Passed]) -> list[Asked | Passed]:
        """Passed over are also the requests about what a person had deleted: it is shown to no judge."""
        warehouse = self._context.warehouse
        about = {one.source.offset: subjects_asked_about(one.request) for one in read if isinstance(one, Asked)}
        subjects = set(chain.from_iterable(about.values()))
        gone = await self._context.in_thread(batch, "tombstones", lambda: warehouse.tombstoned(subjects))
        deleted = {offset for offset, found in about.items() if not gone.isdisjoint(found)}
        self._context.drop("judge_request", "deleted", len(deleted))
        return [Passed(one.record, batch, one.source) if one.source.offset in deleted else one for one in read]

    def _read(self, batch: Batch, records: Sequence[Any]) -> tuple[list[Asked | Passed], list[DeadLetter]]:
        read: list[Asked | Passed] = []
        letters, epoch = [], self._guard.epoch(batch)
        for record in records:
            source = Source(topic=batch.topic, partition=batch.partition, offset=record.offset, epoch=epoch)
            try:
                read.append(Asked(JudgeRequest.from_bytes(record.value or b""), record, batch, source))
            except Exception as error:  # whatever it is, one record must not stop the stream
                letters.append(self._dead_letters.letter(record, batch.topic, epoch, error))
                read.append(Passed(record, batch, source))
        return read, letters

    # --- answering -----------------------------------------------------------------------------------------------

    async def _answer(
        self, bench: Bench, asked: Asked, stored: Mapping[DecisionKey, Score], current: Mapping[str, str]
    ) -> None:
        try:
            await self._settle_or_bury(bench, asked, stored, current)
            await self._emit(asked.batch)
        except Abandoned:
            log.info("partition taken away", place=asked.batch.place)

    async def _settle_or_bury(
        self, bench: Bench, asked: Asked, stored: Mapping[DecisionKey, Score], current: Mapping[str, str]
    ) -> None:
        try:
            await self._settle(bench, asked, stored, current)
        except Abandoned:
            raise
        except Exception as error:  # a bug of ours: one request must not hold up those behind it
            log.exception("a request could not be settled", source=asked.source.model_dump())
            letter = self._dead_letters.letter(asked.record, asked.batch.topic, asked.source.epoch, error)
            await self._dead_letters.bury(asked.batch, [letter])
            asked.scores = []

    async def _settle(
        self, bench: Bench, asked: Asked, stored: Mapping[DecisionKey, Score], current: Mapping[str, str]
    ) -> None:
        request = asked.request
        passing("judge.asked", about=[request.trace_id])
        found = [stored[key] for key in _keys(request) if key in stored]
        mine = [score for score in found if score.source == asked.source]
        complete = len(found) == len(request.views) * len(request.decisions)
        if complete and not (mine and getattr(bench.evaluator(request), "gives_vectors", False)):
            asked.scores = mine
            return
        scores, asked.vectors = await bench.judge(request, asked.source, current.get(request.trace_id))
        written = await self._writer.write(asked.batch, scores, asked.source)
        passing("judge.stored")
        count_decisions(self._context.metrics, written, bench.names)
        observe_judge(self._context.metrics, written, bench.names)
        asked.scores = mine if complete else written

    # --- sending on ----------------------------------------------------------------------------------------------

    async def _emit(self, batch: Batch) -> None:
        """Publish everything at the head of the partition's queue that is settled, then acknowledge."""
        async with self._emitting.setdefault(batch.place, asyncio.Lock()):
            queue = self._queues.get(batch.place, deque())
            ready: list[Asked | Passed] = []
            while queue and queue[0].scores is not None:
                ready.append(queue.popleft())
            for epoch, run in groupby(ready, key=lambda asked: asked.source.epoch):
                await self._send(batch, list(run), epoch)

    async def _send(self, batch: Batch, ready: Sequence[Asked | Passed], epoch: int) -> None:
        await self._publish(batch, [one for one in ready if isinstance(one, Asked)], epoch)
        passing("judge.published")
        await self._writer.advance(batch, self._guard.position(batch, ready[-1].record, epoch))
        for asked in ready:
            _let_go(asked.batch)

    async def _publish(self, batch: Batch, ready: Sequence[Asked], epoch: int) -> None:
        items, outgoing = [], []
        for asked in ready:
            scores = asked.scores or []
            if not self._guard.was_measured(batch.place, asked.source.offset):
                items += positioned(
                    asked.source.offset, scores, asked.request.dimensions, self._context.settings.monitor, asked.vectors
                )
            outgoing += score_records(scores)
        outgoing += measurement_records(
            items,
            topic=batch.topic,
            partition=batch.partition,
            epoch=epoch,
            partition_count=self._context.partitions[Topics.MEASUREMENTS],
        )
        if outgoing:
            await self._context.patiently(
                batch, "publishing verdicts", lambda: self._context.producer.publish(outgoing)
            )

    def _in_window(self) -> int:
        return sum(len(queue) for queue in self._queues.values())

    def _drop_lost(self) -> None:
        if self._context.generation() != self._generation:
            self._generation = self._context.generation()
            self._queues.clear()
            self._emitting.clear()


def _let_go(batch: Batch) -> None:
    """One holder less; the last one acknowledges."""
    batch.open -= 1
    if batch.open == 0:
        batch.ack()


def _keys(request: JudgeRequest) -> list[DecisionKey]:
    return [
        DecisionKey(request.trace_id, name, request.evaluator_version, view.target_id, view.target_digest)
        for view in request.views
        for name in request.decisions
    ]


async def _retire(bench: Bench) -> None:
    try:
        await bench.finish()
    finally:
        await bench.close()
