"""The cause of a drift event, as the warehouse tells it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from schemas.drift_event import DriftEvent
from schemas.measurement import Segment
from schemas.settings import Settings
from sinks.warehouse import TraceDecisions, Warehouse
from streams.monitoring.causes import with_cause
from tests.sinks.making import message, score, span, trace

START = datetime(2026, 3, 1, tzinfo=UTC)
CHANGE = COUNT = 200
EASY = ["what are your opening hours", "is the shop open on sunday", "when do you open today", "opening hours please"]
HARD = [
    "refund order {n} now",
    "money back for my order {n}",
    "the order was refunded twice",
    "no refund for order {n}",
]


def when(i: int) -> datetime:
    return START + timedelta(minutes=i)


def fill(warehouse: Warehouse, hard: tuple[float, float], passes: tuple[float, float]) -> None:
    """`CHANGE` traces, then `COUNT` more. `hard`: the share of hard requests on either side; `passes`: by (easy, hard)."""
    dice = random.Random(5)
    traces, decided = [], []
    for i in range(CHANGE + COUNT):
        is_hard = dice.random() < hard[i >= CHANGE]
        asked = message(dice.choice(HARD if is_hard else EASY).format(n=i))
        call = span("a", kind="llm", tool_name=None, input_messages=(asked.digest,))
        traces.append(trace(f"t{i}", call, messages={asked.digest: asked}))
        passed = dice.random() < passes[is_hard]
        fields = {"project": "shop", "environment": "test", "evaluator": "polite", "event_time": when(i)}
        verdict = score(f"t{i}", passed=passed, value=float(passed), **fields)
        decided.append(TraceDecisions(f"t{i}", [verdict]))
    warehouse.remember_evaluators({"polite": "v1"})
    warehouse.store_traces(traces)
    warehouse.write_decisions(decided)


def event() -> DriftEvent:
    return DriftEvent(
        segment=Segment(project="shop", environment="test", evaluator="polite"),
        detector="conformal",
        kind="score",
        changed_at=when(CHANGE),
        detected_at=when(CHANGE + COUNT),
        explanation="the pass rate fell",
    )


def test_unlabelled_requests_explain_a_change(warehouse: Warehouse) -> None:
    fill(warehouse, hard=(0.1, 0.7), passes=(0.95, 0.4))
    cause = with_cause(event(), warehouse, Settings()).cause
    assert cause is not None
    assert (cause.verdict, cause.factor) == ("traffic", "requests"), cause
    assert "refund" in cause.explanation or "order" in cause.explanation


def test_equal_requests_do_not(warehouse: Warehouse) -> None:
    fill(warehouse, hard=(0.4, 0.4), passes=(0.9, 0.9))
    cause = with_cause(event(), warehouse, Settings()).cause
    assert cause is not None
    assert cause.verdict == "unclear" and "requests compared" in cause.explanation


@pytest.mark.parametrize("changed", [None, when(CHANGE + COUNT)])
def test_without_a_time_nothing_is_said(warehouse: Warehouse, changed: datetime | None) -> None:
    given = event().model_copy(update={"changed_at": changed})
    assert with_cause(given, warehouse, Settings()) == given
