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
from typing import Any

import structlog

from evaluators.protocol import Answer, DeferredEvaluator, Failure, Skip, Verdict
from evaluators.run import OVERLOAD, Suite
from evaluators.select import is_sampled
from schemas.judge_request import JudgeRequest
from schemas.score import DecisionKey, Score
from schemas.settings import Topics
from schemas.source import Source
from streams.batch import Batch
from streams.context import Abandoned, Context
from streams.crash_points import passing
from streams.dead_letters import DeadLetters
from streams.emission import measurement_records, positioned, score_records
from streams.judging import deferred_runtime
from streams.log_guard import LogGuard
from streams.overload import Overload
from streams.poison import PoisonGuard
from streams.progress import Progress
from streams.telemetry.judge_gauges import JudgeGauges
from streams.telemetry.tally import count_decisions, observe_judge
from streams.verdict_writer import VerdictWriter

log = structlog.get_logger(__name__)

Place = tuple[str, int]
WINDOW_PER_SLOT = 2
WINDOW_WAITING = 2_000  # requests that wait for a retry must not take the places of those that could run
SURVIVED_S = 10.0  # what kills a process does so at once; a slow provider must not hold up the partition


@dataclass(slots=True, eq=False)
class Asked:
    """One request on its way. `scores` are those that this record made; None while it runs."""

    request: JudgeRequest
    record: Any
    batch: Batch
    source: Source
    scores: list[Score] | None = None
    vectors: dict[DecisionKey, tuple[float, ...]] = field(default_factory=dict)


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
        self._context, self._progress, self._suite, self._guard = context, progress, suite, guard
        self._evaluators: Mapping[str, DeferredEvaluator] = suite.deferred()
        self._runtime = deferred_runtime(context.settings, context.warehouse)
        self._overload = Overload(
            context.settings.overload,
            self._evaluators,
            context.metrics,
            at_rest=lambda place: not self._queues.get(place),
            waiting=lambda: (progress.total_lag() or 0) + self._in_window(),
        )
        self._dead_letters = DeadLetters(self.name, context)
        self._poison = PoisonGuard(self.name, context, self._dead_letters)
        self._writer = VerdictWriter(context)
        self._window = asyncio.Semaphore(context.settings.judge.max_concurrency * WINDOW_PER_SLOT + WINDOW_WAITING)
        self._queues: dict[Place, deque[Asked]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
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
        self._runtime.attach(self._evaluators.values())
        self._gauges = JudgeGauges(self._context.metrics, self._runtime)
        self._writer.start()

    async def receive(self, batch: Batch) -> None:
        """Set the requests of a chunk going; returns when the window has room for more."""
        self._progress.note(batch)
        self._drop_lost()
        try:
            if await self._guard.admits(batch):
                batch.open = 1  # holds the acknowledgement until all parts are taken up
                await self._poison.work_on(batch, self._guard.epoch(batch), lambda part: self._take_up(batch, part))
                batch.forget_records()
                _let_go(batch)
        except Abandoned:
            log.info("partition taken away", topic=batch.topic, partition=batch.partition)

    async def tick(self) -> None:
        """Shed more or less, by how long those that are next to leave have waited."""
        for place, queue in self._queues.items():
            if queue:
                self._overload.note(place, queue[0].record)
        self._overload.tick()

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
        self._gauges.read()

    async def drain(self) -> None:
        """Let the requests that are under way be answered and sent on."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Stop what runs; unacknowledged requests are read again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._writer.close()
        await self._runtime.close()
        await asyncio.to_thread(self._suite.close)

    # --- taking up -----------------------------------------------------------------------------------------------

    async def _take_up(self, batch: Batch, part: Batch) -> None:
        """Set the requests of a part going; returns when it is clear that they kill nobody."""
        asked, letters = self._read(batch, part.records)
        await self._dead_letters.bury(batch, letters)
        if not asked:
            return
        batch.open += len(asked)
        warehouse, trace_ids = self._context.warehouse, sorted({one.request.trace_id for one in asked})
        stored = await self._context.in_thread(batch, "verdicts", lambda: warehouse.stored_scores(trace_ids))
        current = await self._context.in_thread(batch, "fingerprints", lambda: warehouse.fingerprints(trace_ids))
        queue, tasks = self._queues.setdefault(batch.place, deque()), []
        for one in asked:
            await self._window.acquire()
            queue.append(one)
            tasks.append(asyncio.create_task(self._answer(one, stored, current)))
            self._tasks.add(tasks[-1])
            tasks[-1].add_done_callback(self._tasks.discard)
        if self._poison.is_watched(batch):
            await asyncio.wait(tasks, timeout=SURVIVED_S)

    def _read(self, batch: Batch, records: Sequence[Any]) -> tuple[list[Asked], list[Any]]:
        asked, letters, epoch = [], [], self._guard.epoch(batch)
        for record in records:
            source = Source(topic=batch.topic, partition=batch.partition, offset=record.offset, epoch=epoch)
            try:
                asked.append(Asked(JudgeRequest.from_bytes(record.value or b""), record, batch, source))
            except Exception as error:  # whatever it is, one record must not stop the stream
                letters.append(self._dead_letters.letter(record, batch.topic, epoch, error))
        return asked, letters

    # --- answering -----------------------------------------------------------------------------------------------

    async def _answer(self, asked: Asked, stored: Mapping[DecisionKey, Score], current: Mapping[str, str]) -> None:
        try:
            await self._settle_or_bury(asked, stored, current)
            await self._emit(asked.batch)
        except Abandoned:
            log.info("partition taken away", place=asked.batch.place)
        finally:
            self._window.release()

    async def _settle_or_bury(
        self, asked: Asked, stored: Mapping[DecisionKey, Score], current: Mapping[str, str]
    ) -> None:
        try:
            await self._settle(asked, stored, current)
        except Abandoned:
            raise
        except Exception as error:  # a bug of ours: one request must not hold up those behind it
            log.exception("a request could not be settled", source=asked.source.model_dump())
            letter = self._dead_letters.letter(asked.record, asked.batch.topic, asked.source.epoch, error)
            await self._dead_letters.bury(asked.batch, [letter])
            asked.scores = []

    async def _settle(self, asked: Asked, stored: Mapping[DecisionKey, Score], current: Mapping[str, str]) -> None:
        request = asked.request
        passing("judge.asked", about=[request.trace_id])
        evaluator = self._evaluators.get(request.evaluator)
        found = [stored[key] for key in _keys(request) if key in stored]
        mine = [score for score in found if score.source == asked.source]
        complete = len(found) == len(request.views) * len(request.decisions)
        if complete and not (mine and getattr(evaluator, "gives_vectors", False)):
            asked.scores = mine
            return
        request = self._thinned(request)
        answers = await self._ask(evaluator, request, current)
        asked.vectors = _vectors(request, answers)
        scores = self._suite.to_scores(request, answers, source=asked.source)
        written = await self._writer.write(asked.batch, scores, asked.source)
        passing("judge.stored")
        names = self._suite.current_versions()
        count_decisions(self._context.metrics, written, names)
        observe_judge(self._context.metrics, written, names)
        asked.scores = mine if complete else written

    def _thinned(self, request: JudgeRequest) -> JudgeRequest:
        """The request with the probability at which its evaluator is asked now: lower while overload is shed."""
        share = self._overload.shares.get(request.evaluator, 1.0)
        if share == 1.0:
            return request
        return request.model_copy(update={"inclusion_probability": request.inclusion_probability * share})

    async def _ask(
        self, evaluator: DeferredEvaluator | None, request: JudgeRequest, current: Mapping[str, str]
    ) -> Sequence[Sequence[Answer]]:
        if evaluator is None or evaluator.version != request.evaluator_version:
            return [[Skip("evaluator_changed", name) for name in request.decisions] for _ in request.views]
        newest = current.get(request.trace_id)
        if request.target != "session" and newest not in (None, request.fingerprint) and _follows_trace(request):
            return [[Skip("superseded", name) for name in request.decisions] for _ in request.views]
        if not is_sampled(_sampling_unit(request), request.evaluator, request.inclusion_probability):
            return [[Skip(OVERLOAD, name) for name in request.decisions] for _ in request.views]
        deadline = self._context.settings.judge.deadline_s
        try:
            return await evaluator.judge(request.views, deadline)
        except Exception as error:  # an evaluator must not raise; if one does, its decision failed and is on record
            log.exception("an evaluator raised", evaluator=request.evaluator)
            failure = [Failure(type(error).__name__, str(error), name) for name in request.decisions]
            return [failure for _ in request.views]

    # --- sending on ----------------------------------------------------------------------------------------------

    async def _emit(self, batch: Batch) -> None:
        """Publish everything at the head of the partition's queue that is settled, then acknowledge."""
        async with self._emitting.setdefault(batch.place, asyncio.Lock()):
            queue = self._queues.get(batch.place, deque())
            ready: list[Asked] = []
            while queue and queue[0].scores is not None:
                ready.append(queue.popleft())
            if not ready:
                return
            await self._publish(batch, ready)
            passing("judge.published")
            await self._writer.advance(batch, self._guard.position(batch, ready[-1].record))
            for asked in ready:
                _let_go(asked.batch)

    async def _publish(self, batch: Batch, ready: Sequence[Asked]) -> None:
        items, outgoing = [], []
        for asked in ready:
            scores = asked.scores or []
            items += positioned(
                asked.source.offset, scores, asked.request.dimensions, self._context.settings.monitor, asked.vectors
            )
            outgoing += score_records(scores)
        outgoing += measurement_records(
            items,
            topic=batch.topic,
            partition=batch.partition,
            epoch=self._guard.epoch(batch),
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


def _sampling_unit(request: JudgeRequest) -> str:
    """What evaluate sampled by: a request that is here lies below the probability that it carries."""
    return request.session_id or "" if request.target == "session" else request.trace_id


def _follows_trace(request: JudgeRequest) -> bool:
    """Whether the decisions hang on the whole trace, so that a newer revision is asked about anew."""
    return all(view.target_digest == request.fingerprint for view in request.views)


def _vectors(request: JudgeRequest, answers: Sequence[Sequence[Answer]]) -> dict[DecisionKey, tuple[float, ...]]:
    return {
        DecisionKey(
            request.trace_id,
            answer.decision or request.decisions[0],
            request.evaluator_version,
            view.target_id,
            view.target_digest,
        ): answer.vector
        for view, given in zip(request.views, answers, strict=True)
        for answer in given
        if isinstance(answer, Verdict) and answer.vector is not None
    }
