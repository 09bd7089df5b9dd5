"""What an alert rule reads of a measurement, and the level that a value means."""

from __future__ import annotations

from typing import Literal

from drift.protocol import SCORED, Observation
from schemas.measurement import Segment
from schemas.settings import AlertRule

Level = Literal["OK", "WARNING", "CRITICAL"]
SEVERITY: dict[str, int] = {"OK": 0, "WARNING": 1, "CRITICAL": 2}
LARGEST_VALUE = 1e15


def reading(rule: AlertRule, seen: Observation) -> float | None:
    """The number that the rule's statistic is taken over; None where the observation has none.

    Coverage is the share of traces with a score among those the evaluator was to score: failed and skipped ones lower it.
    """
    scored = seen.outcome == SCORED
    if rule.statistic == "coverage":
        return float(scored)
    if not scored:
        return None
    if rule.statistic == "count":
        return 1.0
    if rule.statistic == "pass_rate":
        return float(seen.passed) if seen.passed >= 0 else None
    return seen.value if abs(seen.value) <= LARGEST_VALUE else None


def level(rule: AlertRule, value: float, current: Level) -> Level:
    """The level after seeing `value`. A worse one is taken at the threshold, a better one `hysteresis` beyond it."""
    entered, kept = _plain(rule, value, 0.0), _plain(rule, value, rule.hysteresis)
    if SEVERITY[entered] > SEVERITY[current]:
        return entered
    return kept if SEVERITY[kept] < SEVERITY[current] else current


def threshold(rule: AlertRule, worse: str) -> float | None:
    """The threshold of a level; for OK the one whose crossing comes first."""
    if worse == "CRITICAL":
        return rule.critical
    return rule.warning if rule.warning is not None else rule.critical


def base(segment: Segment) -> Segment:
    """The evaluator alone, in the segment's project and environment."""
    return Segment(project=segment.project, environment=segment.environment, evaluator=segment.evaluator)


def place(segment: Segment) -> str:
    """A segment in words: ``polite in shop/production (tool=search)``."""
    where = "/".join(part for part in (segment.project, segment.environment) if part)
    inside = f" ({segment.dimension}={segment.dimension_value})" if segment.dimension is not None else ""
    return f"{segment.evaluator}{' in ' + where if where else ''}{inside}"


def measure(rule: AlertRule) -> str:
    """The statistic in words."""
    if rule.statistic == "quantile":
        return f"{rule.quantile:g} quantile"
    return {"pass_rate": "pass rate", "count": "number of traces"}.get(rule.statistic, rule.statistic)


def _plain(rule: AlertRule, value: float, margin: float) -> Level:
    for name in ("CRITICAL", "WARNING"):
        limit = rule.critical if name == "CRITICAL" else rule.warning
        if limit is not None and (value < limit + margin if rule.below else value > limit - margin):
            return name  # type: ignore[return-value]
    return "OK"
