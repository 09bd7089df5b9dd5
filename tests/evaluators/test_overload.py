"""Shedding lowers the sampling threshold: nested samples, recorded probabilities, averages that stay right."""

from __future__ import annotations

import math

from drift.alerts.window import Window
from evaluators.run import Decided, Suite
from evaluators.select import is_sampled
from schemas.score import Score
from schemas.settings import AlertRule
from tests.evaluators.making import START, Writer, said, suite_of

SUITE = "[{type: length, sample_rate: 0.8}, {type: latency, name: fast}]"
TRACES = 4_000


def decide(suite: Suite, number: int, share: float, known: frozenset[object] = frozenset()) -> Decided:
    trace = said("a" * (1 + number % 100)).model_copy(update={"trace_id": f"trace-{number}"})
    shares = {"length": share} if share < 1 else {}
    return suite.decide(trace, known, source=None, event_time=START, now=START, shares=shares)  # type: ignore[arg-type]


def of_length(decided: Decided) -> list[Score]:
    return [score for score in decided.scores if score.evaluator == "length"]


def test_what_is_shed_is_on_record_and_others_go_on() -> None:
    suite, kept = suite_of(SUITE), {}
    for share in (1.0, 0.5, 0.25):
        scores = [score for n in range(TRACES) for score in of_length(decide(suite, n, share))]
        assert len(scores) == sum(is_sampled(f"trace-{n}", "length", 0.8) for n in range(TRACES)), "none vanishes"
        assert {score.inclusion_probability for score in scores} == {0.8 * share}
        shed = [score for score in scores if score.status == "skipped"]
        assert {score.skip_reason for score in shed} <= {"overload"}
        kept[share] = {score.trace_id for score in scores if score.status == "scored"}
        assert kept[share] == {f"trace-{n}" for n in range(TRACES) if is_sampled(f"trace-{n}", "length", 0.8 * share)}
    assert kept[0.25] < kept[0.5] < kept[1.0]
    assert abs(len(kept[0.25]) / TRACES - 0.2) < 0.03
    assert all(any(s.evaluator == "fast" for s in decide(suite, n, 0.25).scores) for n in range(20))


def test_a_decision_once_stored_stays() -> None:
    suite = suite_of(SUITE)
    shed = next(s for n in range(100) for s in of_length(decide(suite, n, 0.05)) if s.status == "skipped")
    number = int(shed.trace_id.removeprefix("trace-"))
    again = decide(suite, number, 1.0, frozenset({shed.key}))
    assert not of_length(again) and "length" not in again.passed_over


def test_every_span_and_decision_of_a_shed_trace_is_recorded() -> None:
    suite = suite_of("[{type: latency}]")
    trace = Writer().llm("x").tool().trace()
    number = next(n for n in range(100) if not is_sampled(f"trace-{n}", "latency", 0.1))
    trace = trace.model_copy(update={"trace_id": f"trace-{number}"})
    scores = suite.decide(trace, (), source=None, event_time=START, now=START, shares={"latency": 0.1}).scores
    assert [(s.span_id, s.status, s.skip_reason) for s in scores] == [
        ("s0", "skipped", "overload"),
        ("s1", "skipped", "overload"),
    ]


def test_averages_over_a_time_of_shedding_are_those_of_all_traces() -> None:
    """The first half is shed to a quarter, and its texts are shorter: unweighted, the mean would be far off."""
    suite = suite_of("[{type: length}]")
    means, coverages = [], []
    for start in range(0, 20 * TRACES // 10, TRACES // 10):
        mean = Window(AlertRule(name="m", evaluator="length", statistic="mean", window_count=10**5, warning=1), 60)
        coverage = Window(
            AlertRule(name="c", evaluator="length", statistic="coverage", window_count=10**5, warning=1), 60
        )
        for n in range(start, start + TRACES // 10):
            early = n < start + TRACES // 20
            trace = said("a" * (10 if early else 50)).model_copy(update={"trace_id": f"trace-{n}"})
            [score] = suite.decide(
                trace, (), source=None, event_time=START, now=START, shares={"length": 0.25} if early else {}
            ).scores
            weight = 1 / score.inclusion_probability
            if score.status == "scored":
                mean.add(0.0, weight, score.value or 0.0)
            if early:
                coverage.add(0.0, weight, float(score.status == "scored"))
        means.append(mean.value() or 0.0)
        coverages.append(coverage.value() or 0.0)
    spread = math.sqrt(sum((m - 30) ** 2 for m in means) / len(means) / len(means))
    assert abs(sum(means) / len(means) - 30) < 4 * spread + 0.05, "without weights it would be 42"
    assert abs(sum(coverages) / len(coverages) - 0.25) < 0.03
