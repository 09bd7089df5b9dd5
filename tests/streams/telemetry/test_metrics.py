"""The table of metrics by Prometheus' rules, and the bounds of its labels."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import re2
from prometheus_client.parser import text_string_to_metric_families

from schemas.score import Score
from streams.telemetry import Metrics
from streams.telemetry.measure import Measure
from streams.telemetry.metrics import MAX_LABEL_VALUES, table
from streams.telemetry.tally import count_decisions, count_passed_over, observe_judge


def samples(metrics: Metrics) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Values by sample name and labels, as a scraper reads them."""
    body, content_type = metrics.exposition("")
    assert content_type.startswith("text/plain")
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


@pytest.mark.parametrize("one", table(), ids=lambda one: one.name)
def test_a_name_says_what_it_counts(one: Measure[Any]) -> None:
    """https://prometheus.io/docs/practices/naming/"""
    assert re2.fullmatch(r"evalstream_[a-z][a-z0-9_]*", one.name)
    assert one.help and one.help.endswith(".") and "|" not in one.help
    assert one.name.endswith("_total") == (one.kind_name == "counter")
    assert not re2.search(r"_(ms|millis|minutes|kb|mb|percent)(_|$)", one.name), "base units only"
    if one.kind_name == "histogram":
        assert list(one.buckets or ()) == sorted(set(one.buckets or ()))
    assert not {"trace_id", "span_id", "model", "user_id", "le", "quantile"} & set(one.labels)


def test_no_name_stands_twice_and_all_can_be_made() -> None:
    names = [one.name for one in table()]
    assert len(names) == len(set(names)) > 25
    metrics = Metrics()
    made = [getattr(metrics, attribute) for attribute, value in vars(Metrics).items() if isinstance(value, Measure)]
    assert len(made) == len(names)


def test_what_is_not_used_is_not_exposed() -> None:
    metrics = Metrics()
    assert not [name for name in samples(metrics) if name.startswith("evalstream_")]
    metrics.measurements.inc(3)
    assert samples(metrics)["evalstream_measurements_total"] == {(): 3.0}


def test_values_of_a_label_are_bounded() -> None:
    metrics = Metrics()
    shown = [metrics.bounded("reason", f"r{n}") for n in range(MAX_LABEL_VALUES + 10)]
    assert len(set(shown)) == MAX_LABEL_VALUES + 1 and shown[-1] == "other"
    assert metrics.bounded("reason", "r0") == "r0"


def test_a_follower_adds_what_is_new() -> None:
    metrics, totals = Metrics(), {"ok": 2.0}
    catch_up = metrics.follower(metrics.judge_attempts, totals)
    metrics.observers.append(catch_up)
    assert samples(metrics)["evalstream_judge_attempts_total"] == {(("outcome", "ok"),): 2.0}
    totals |= {"ok": 5.0, "RateLimitError": 1.0}
    assert sorted(samples(metrics)["evalstream_judge_attempts_total"].values()) == [1.0, 5.0]
    pairs = metrics.follower(metrics.notifications, {("ops", "delivered"): 2.0})
    pairs()
    pairs()
    key = (("destination", "ops"), ("outcome", "delivered"))
    assert samples(metrics)["evalstream_notifications_total"] == {key: 2.0}
    metrics.follower(metrics.judge_attempts, {"ok": 1.0})()  # after a reload another one counts on
    assert samples(metrics)["evalstream_judge_attempts_total"][("outcome", "ok"),] == 6.0


def score(evaluator: str, **fields: Any) -> Score:
    return Score.model_validate(
        {
            "trace_id": "t",
            "target": "trace",
            "evaluator": evaluator,
            "evaluator_version": "1",
            "status": "scored",
            "event_time": datetime.now(UTC),
            **fields,
        }
    )


def test_decisions_are_counted_by_configured_names() -> None:
    metrics = Metrics()
    scores = [
        score("polite"),
        score("polite", status="skipped", skip_reason="overload"),
        score("helpful", status="failed", error_type="APITimeoutError", cost_usd=0.25),
        score("made-up-by-a-record"),
        score("anything", kind="human"),
    ]
    count_decisions(metrics, scores, {"polite", "helpful"})
    count_passed_over(metrics, [{"polite": "filtered"}, {"polite": "filtered", "x": "no_target"}], {"polite"})
    found = samples(metrics)
    by = {tuple(v for _, v in labels): n for labels, n in found["evalstream_decisions_total"].items()}
    assert by == {
        ("polite", "", "scored"): 1,
        ("polite", "overload", "skipped"): 1,
        ("helpful", "APITimeoutError", "failed"): 1,
        ("other", "", "scored"): 1,
        ("human", "", "scored"): 1,
    }
    assert found["evalstream_judge_cost_usd_total"] == {(("evaluator", "helpful"),): 0.25}
    assert sorted(found["evalstream_passed_over_total"].values()) == [1, 2]


def test_criteria_of_one_call_have_one_latency() -> None:
    metrics = Metrics()
    call = {"kind": "llm", "latency_s": 2.0, "target_digest": "d"}
    cached = {**call, "target_digest": "e", "attributes": {"cached": True}}
    observe_judge(metrics, [score("j.a", **call), score("j.b", **call), score("j.a", **cached)], {"j.a", "j.b"})
    assert samples(metrics)["evalstream_judge_latency_seconds_count"] == {(("evaluator", "j.a"),): 1.0}
