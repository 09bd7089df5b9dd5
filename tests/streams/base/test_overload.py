"""The ladder of shedding: order, speed, hysteresis."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from schemas.errors import ConfigError
from schemas.settings import OverloadSettings, parse_settings
from streams.base.overload import Overload
from streams.base.progress import Progress
from streams.telemetry import Metrics
from streams.worker.building import build_all

STEP_S = 10.0


class Worker:
    """A worker with one partition, of which `behind` records wait."""

    def __init__(self, evaluators: tuple[str, ...] = ("a", "b"), **settings: Any) -> None:
        self.now, self.behind = 1000.0, 1
        consumer = SimpleNamespace(
            assignment=lambda: {TP("traces", 0)},
            highwater=lambda tp: 100 + self.behind,
            position_now=lambda tp: 100,
            fetched_now=lambda tp: 0,
        )
        progress = Progress("")
        progress.attach(SimpleNamespace(consumer=consumer, consumer_generation_id=1))
        self.metrics = Metrics()
        self.overload = Overload(
            OverloadSettings(step_s=STEP_S, **settings),
            evaluators,
            self.metrics,
            at_rest=progress.at_rest,
            waiting=lambda: progress.total_lag() or 0,
            clock=lambda: self.now,
        )

    def after(self, waited_s: float, steps: int = 1) -> dict[str, float]:
        """The shares after some steps at which batches had waited so long."""
        for _ in range(steps):
            record = SimpleNamespace(timestamp=(time.time() - waited_s) * 1000)
            self.overload.note(("traces", 0), record)
            self.overload.tick()
            self.now += STEP_S
        return dict(self.overload.shares)


def test_nothing_is_shed_that_is_not_named() -> None:
    assert Worker().after(10_000, 20) == {}
    assert Worker(evaluators=("b",), shed=("a",)).after(10_000, 20) == {}


def test_in_the_order_of_the_policy_by_halves_down_to_the_least_share() -> None:
    worker = Worker(shed=("b", "a"), min_share=0.2)
    assert worker.after(61) == {"b": 0.5}
    assert worker.after(61) == {"b": 0.25}
    assert worker.after(61) == {"b": 0.2}
    assert worker.after(61) == {"b": 0.2, "a": 0.5}
    assert worker.after(61, 10) == {"b": 0.2, "a": 0.2}
    assert worker.after(45, 10) == {"b": 0.2, "a": 0.2}, "between the limits nothing changes"
    assert worker.after(29) == {"b": 0.2, "a": 0.25}, "the last one comes back first"
    assert worker.after(29, 2) == {"b": 0.2}
    assert worker.after(29, 3) == {}
    shown = worker.metrics.exposition("")[0].decode()
    assert 'evalstream_overload_share{evaluator="a"} 1.0' in shown


def test_no_step_comes_sooner_than_another_could_show_its_effect() -> None:
    worker = Worker(shed=("a",))
    worker.after(100)
    worker.now -= STEP_S / 2
    for _ in range(50):
        worker.overload.tick()
    assert worker.overload.shares == {"a": 0.5}


def test_lag_in_records_counts_too() -> None:
    worker = Worker(shed=("a",), max_lag_records=1000)
    worker.behind = 1001
    assert worker.after(1) == {"a": 0.5}
    worker.behind = 600
    assert worker.after(1) == {"a": 0.5}
    worker.behind = 400
    assert worker.after(1) == {}


def test_a_partition_that_is_caught_up_does_not_wait() -> None:
    worker = Worker(shed=("a",))
    worker.after(100)
    worker.behind = 0
    worker.overload.tick()
    assert worker.overload.shares == {}


@pytest.mark.parametrize(
    ("shed", "says"),
    [
        ("[a, nobody]", r"f.yaml:1: overload.shed\[1\]: no evaluator is called 'nobody'; there are: a"),
        ("[a, a]", r"overload.shed\[1\]: 'a' stands here twice"),
    ],
)
def test_the_policy_names_evaluators_that_there_are(shed: str, says: str) -> None:
    text = f"overload: {{shed: {shed}}}\nevaluators: [{{type: length, name: a}}]\n"
    with pytest.raises(ConfigError, match=says):
        build_all(*parse_settings(text, "f.yaml", {}))
