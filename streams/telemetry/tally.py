"""Counting what a batch brought: values that evaluators and detectors return become counters here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from schemas.score import Score
from streams.telemetry.metrics import OTHER, Metrics

HUMAN = "human"


def count_decisions(metrics: Metrics, scores: Iterable[Score], configured: Collection[str]) -> None:
    """Outcomes by evaluator and reason, and what they cost. A name that is not `configured` counts as `other`, what people
    said as `human`."""
    outcomes: Counter[tuple[str, str, str]] = Counter()
    costs: dict[str, float] = {}
    for score in scores:
        name = HUMAN if score.kind == "human" else score.evaluator if score.evaluator in configured else OTHER
        outcomes[name, score.status, score.skip_reason or score.error_type or ""] += 1
        if score.cost_usd:
            costs[name] = costs.get(name, 0.0) + score.cost_usd
    for (name, status, reason), count in outcomes.items():
        metrics.decisions.labels(name, status, metrics.bounded("reason", reason)).inc(count)
    for name, cost in costs.items():
        metrics.judge_cost_usd.labels(name).inc(cost)


def count_passed_over(metrics: Metrics, passed_over: Iterable[Mapping[str, str]], configured: Collection[str]) -> None:
    """Evaluators that made no decision about a trace, by reason."""
    found = Counter(item for reasons in passed_over for item in reasons.items())
    for (name, reason), count in found.items():
        metrics.passed_over.labels(name if name in configured else OTHER, reason).inc(count)


def observe_judge(metrics: Metrics, scores: Iterable[Score], configured: Collection[str]) -> None:
    """The time that each view's verdict took; the criteria of one call have it in common, cached ones have none."""
    seen: set[tuple[str, str, float]] = set()
    for score in scores:
        if score.kind != "llm" or score.latency_s is None or score.attributes.get("cached"):
            continue
        call = (score.target_id, score.target_digest, score.latency_s)
        if call not in seen:
            seen.add(call)
            name = score.evaluator if score.evaluator in configured else OTHER
            metrics.judge_seconds.labels(name).observe(score.latency_s)
