"""kill -9 of each component, also between every two of storing, publishing and acknowledging: nothing lost, nothing twice."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.conftest import MakeStack
from tests.e2e.stack import COMPONENTS, Stack
from tests.e2e.test_pipeline import decisions

CRASH_POINTS = {
    "assemble": ["gathering.published"],
    "evaluate": ["evaluate.stored", "evaluate.decided", "evaluate.published"],
    "judge": ["judge.stored", "judge.published"],
    "monitor": ["monitor.counted", "monitor.committed"],
}
MEASURED = """
    SELECT evaluator, count(DISTINCT trace_id) FROM scores
    WHERE measured AND kind <> 'human' GROUP BY evaluator ORDER BY evaluator
"""


@pytest.fixture(scope="module")
def expected(airline: Path, tmp_path_factory: pytest.TempPathFactory, dev_broker) -> list:  # type: ignore[no-untyped-def]
    """The decisions of an uninterrupted run."""
    offline = Stack(tmp_path_factory.mktemp("expected"), dev_broker.bootstrap_servers)
    offline.start_judge()
    offline.cli("run", str(airline), "--judges", "--warehouse", offline.warehouse_url)
    found = decisions(offline)
    offline.stop()
    return [_comparable(row) for row in found]


def _comparable(row: tuple) -> tuple:  # type: ignore[type-arg]
    return (*row[:6], None if row[6] is None else bool(row[6]), row[7])


@pytest.mark.timeout(600)
def test_killed_at_every_point(new_stack: MakeStack, airline: Path, expected: list) -> None:  # type: ignore[type-arg]
    """Each component dies once at each of its points while the traces flow."""
    stack = new_stack()
    stack.start_judge()
    for name in COMPONENTS:
        stack.start(name, crash_at=f"{CRASH_POINTS[name][0]}:2")
    stack.publish(airline)
    for name in COMPONENTS:
        for following in [*CRASH_POINTS[name][1:], None]:
            stack.wait_for_death(name)
            stack.start(name, crash_at=following)
    stack.settle()
    assert_intact(stack, expected)


@pytest.mark.timeout(600)
def test_killed_at_random(new_stack: MakeStack, airline: Path, expected: list) -> None:  # type: ignore[type-arg]
    stack, dice = new_stack(), random.Random(11)
    stack.start_judge()
    stack.start()
    stack.publish(airline)
    for _ in range(8):
        time.sleep(dice.uniform(0.3, 2.5))
        name = dice.choice(COMPONENTS)
        stack.kill(name)
        stack.start(name)
    stack.settle()
    assert_intact(stack, expected)


def assert_intact(stack: Stack, expected: list) -> None:  # type: ignore[type-arg]
    found = [_comparable(row) for row in decisions(stack)]
    assert Counter(row[:3] for row in found) == Counter(row[:3] for row in expected)
    assert found == expected
    assert stack.counts()["dead_letters"] == 0
    assert counted_by_monitor(stack) == dict(stack.sql(MEASURED))


def counted_by_monitor(stack: Stack) -> dict[str, int]:
    """Traces that the monitor has counted of each evaluator, all dimensions together."""
    return {
        segment.evaluator: counts["scored"]
        for segment, counts in stack.warehouse.segment_counts()
        if segment.dimension is None
    }
