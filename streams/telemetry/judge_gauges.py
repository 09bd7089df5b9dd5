"""What the judge's runtime keeps of itself, as metrics."""

from __future__ import annotations

from evaluators.deferred import DeferredRuntime
from streams.telemetry.metrics import Metrics


class JudgeGauges:
    """Reads the counts, limits and spending of one runtime whenever `read` is called."""

    def __init__(self, metrics: Metrics, runtime: DeferredRuntime) -> None:
        self._metrics, self._judge = metrics, runtime.judge_in_use
        if self._judge is not None:
            self._attempts = metrics.follower(metrics.judge_attempts, self._judge.provider.attempts)
            self._questions = metrics.follower(metrics.judge_questions, self._judge.counts)

    def read(self) -> None:
        judge = self._judge
        if judge is None:
            return
        self._attempts()
        self._questions()
        limiter = judge.provider.limiter
        self._metrics.judge_in_flight.set(limiter.in_flight)
        self._metrics.judge_limit.set(int(limiter.limit))
        self._metrics.judge_spent_usd.set(judge.budget.spent_usd)
