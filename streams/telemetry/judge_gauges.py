"""What the judge's runtime keeps of itself, as metrics."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from evaluators.deferred import DeferredRuntime
from streams.telemetry.metrics import Metrics


class JudgeGauges:
    """Reads the counts, limits and spending of one runtime whenever `read` is called; nothing before it is in use."""

    def __init__(self, metrics: Metrics, runtime: DeferredRuntime) -> None:
        self._metrics, self._runtime = metrics, runtime

    def read(self) -> None:
        """Counters and gauges."""
        self.catch_up()
        judge = self._runtime.judge_in_use
        if judge is None:
            return
        limiter = judge.provider.limiter
        self._metrics.judge_in_flight.set(limiter.in_flight)
        self._metrics.judge_limit.set(int(limiter.limit))
        self._metrics.judge_spent_usd.set(judge.budget.spent_usd)

    def catch_up(self) -> None:
        """Counters alone: of a runtime that is not the newest any more."""
        if self._runtime.judge_in_use is not None:
            for catch_up in self._followers:
                catch_up()

    @cached_property
    def _followers(self) -> tuple[Callable[[], None], ...]:
        judge, metrics = self._runtime.judge, self._metrics
        return (
            metrics.follower(metrics.judge_attempts, judge.provider.attempts),
            metrics.follower(metrics.judge_questions, judge.counts),
        )
