"""What answers judge requests under one configuration: evaluators, what they ask through, how many at once.

After a reload the old bench finishes what it has begun, and the new one also knows the evaluators of the old: requests
that were made before the reload still come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

import structlog

from evaluators.protocol import Answer, DeferredEvaluator, Failure, Skip, Verdict
from evaluators.run import OVERLOAD, Suite
from evaluators.select import is_sampled
from schemas.judge_request import JudgeRequest
from schemas.score import DecisionKey, Score
from schemas.source import Source
from streams.base.context import Context
from streams.base.overload import Overload, Place
from streams.judging.shared import ASKED_ABOUT, deferred_runtime
from streams.telemetry.judge_gauges import JudgeGauges

log = structlog.get_logger(__name__)

WINDOW_PER_SLOT = 2
WINDOW_WAITING = 2_000  # requests that wait for a retry must not take the places of those that could run

Vectors = dict[DecisionKey, tuple[float, ...]]


class Judged(NamedTuple):
    """The scores of a request, and the embeddings among its answers."""

    scores: list[Score]
    vectors: Vectors


class Bench:
    """Evaluators with the window of requests that they have in hand.

    Parameters
    ----------
    at_rest, waiting : of `Overload`.
    before : the bench of the configuration before this one.
    """

    def __init__(
        self,
        context: Context,
        suite: Suite,
        *,
        at_rest: Callable[[Place], bool],
        waiting: Callable[[], int],
        before: Bench | None = None,
    ) -> None:
        settings = context.settings
        self.suite = suite
        self.names = suite.current_versions()
        self.deadline_s = settings.judge.deadline_s
        self.overload = Overload(settings.overload, suite.deferred(), context.metrics, at_rest=at_rest, waiting=waiting)
        self._own = {(name, one.version): one for name, one in suite.deferred().items()}
        self._evaluators = {**(before._own if before else {}), **self._own}
        self._runtime = deferred_runtime(settings, context.warehouse)
        self._gauges = JudgeGauges(context.metrics, self._runtime)
        self._window = asyncio.Semaphore(settings.judge.max_concurrency * WINDOW_PER_SLOT + WINDOW_WAITING)
        self._tasks: set[asyncio.Task[None]] = set()

    def attach(self) -> None:
        """Give the evaluators what they ask through.

        Raises
        ------
        ConfigError : a judge needs a key or an endpoint, an embedder its extra.
        """
        self._runtime.attach(self._evaluators.values())

    def observe(self) -> None:
        """What the judge's runtime knows of itself, as metrics."""
        self._gauges.read()

    async def begin(self, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        """Set work going, as soon as the window has room."""
        await self._window.acquire()
        task = asyncio.create_task(work())
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def finish(self) -> None:
        """Wait until nothing is in hand."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Stop what runs, and close connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._gauges.catch_up()
        await self._runtime.close()
        await asyncio.to_thread(self.suite.close)

    def evaluator(self, request: JudgeRequest) -> DeferredEvaluator | None:
        """Who answers the request; None for one that is not configured any more."""
        return self._evaluators.get((request.evaluator, request.evaluator_version))

    async def judge(self, request: JudgeRequest, source: Source, newest: str | None) -> Judged:
        """The scores of a request, whatever comes of it. `newest`: fingerprint of the trace as it stands now."""
        request = self._thinned(request)
        answers = await self._answers(request, newest)
        return Judged(self.suite.to_scores(request, answers, source=source), _vectors(request, answers))

    def _thinned(self, request: JudgeRequest) -> JudgeRequest:
        """The request with the probability at which its evaluator is asked now: lower while overload is shed."""
        share = self.overload.shares.get(request.evaluator, 1.0)
        if share == 1.0:
            return request
        return request.model_copy(update={"inclusion_probability": request.inclusion_probability * share})

    async def _answers(self, request: JudgeRequest, newest: str | None) -> Sequence[Sequence[Answer]]:
        evaluator = self.evaluator(request)
        if evaluator is None:
            return _skipped(request, "evaluator_changed")
        if request.target != "session" and newest not in (None, request.fingerprint) and _follows_trace(request):
            return _skipped(request, "superseded")
        if not is_sampled(_sampling_unit(request), request.evaluator, request.inclusion_probability):
            return _skipped(request, OVERLOAD)
        ASKED_ABOUT.set(request.trace_id)
        try:
            return await evaluator.judge(request.views, self.deadline_s)
        except Exception as error:  # an evaluator must not raise; if one does, its decision failed and is on record
            log.exception("an evaluator raised", evaluator=request.evaluator)
            failure = [Failure(type(error).__name__, str(error), name) for name in request.decisions]
            return [failure for _ in request.views]

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._window.release()


def _skipped(request: JudgeRequest, reason: str) -> Sequence[Sequence[Answer]]:
    return [[Skip(reason, name) for name in request.decisions] for _ in request.views]


def _sampling_unit(request: JudgeRequest) -> str:
    """What evaluate sampled by: a request that is here lies below the probability that it carries."""
    return request.session_id or "" if request.target == "session" else request.trace_id


def _follows_trace(request: JudgeRequest) -> bool:
    """Whether the decisions hang on the whole trace, so that a newer revision is asked about anew."""
    return all(view.target_digest == request.fingerprint for view in request.views)


def _vectors(request: JudgeRequest, answers: Sequence[Sequence[Answer]]) -> Vectors:
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
