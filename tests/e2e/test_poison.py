"""A record that kills its worker, on each of the topics between our components and on `feedback`."""

from __future__ import annotations

import time

import orjson
import pytest

from schemas.settings import Topics
from tests.e2e.conftest import MakeStack
from tests.e2e.hostile import Hostile, good_measurement, good_member, good_request
from tests.e2e.raw_kafka import Place, write
from tests.e2e.stack import Stack

CONFIG = """\
project: demo
kafka: {session_timeout_s: 6, batch_records: 20, partitions: 4}
sessions: {quiet_s: 0.5}
evaluate: {max_deaths: 1}
evaluators:
  - {type: length, target: trace, options: {max: 4000}}
"""
GOOD = 6
MOST_STARTS = 8


def record(topic: str, trace_id: str, number: int) -> Hostile:
    bodies = {
        Topics.FEEDBACK: {"trace_id": trace_id, "score": 1.0},
        Topics.SESSION_TRACES: good_member(session_id=trace_id, trace_id=trace_id),
        Topics.JUDGE_REQUESTS: good_request(trace_id=trace_id),
        Topics.MEASUREMENTS: good_measurement(source_partition=800 + number, traces=[trace_id]),
    }
    return Hostile(trace_id, topic, orjson.dumps(bodies[topic]), key=b"one partition")


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("topic", "component", "point"),
    [
        (Topics.FEEDBACK, "evaluate", "feedback.read"),
        (Topics.SESSION_TRACES, "evaluate", "sessions.read"),
        (Topics.JUDGE_REQUESTS, "judge", "judge.asked"),
        (Topics.MEASUREMENTS, "monitor", "monitor.read"),
    ],
)
async def test_a_deadly_record_is_left_out(new_stack: MakeStack, topic: str, component: str, point: str) -> None:
    stack = new_stack(CONFIG)
    stack.start(component)
    stack.ready([component])
    stack.kill(component)
    names = [*(f"a{n}" for n in range(GOOD)), "deadly", *(f"b{n}" for n in range(GOOD))]
    records = [record(topic, name, number) for number, name in enumerate(names)]
    places = dict(zip(names, await write(stack, records), strict=True))
    deaths = 0
    while _dies(stack, component, f"{point}@deadly"):
        deaths += 1
        assert deaths < MOST_STARTS, stack.logs()
    assert deaths
    stack.settle([component])
    letters = stack.sql("SELECT source_topic, source_partition, source_offset, reason FROM dead_letters")
    assert [(Place(*row[:3]), row[3]) for row in letters] == [(places["deadly"], "poison")], letters
    assert stack.sql("SELECT count(*) FROM attempts") == [(0,)], "what was survived is forgotten"
    if topic in (Topics.FEEDBACK, Topics.JUDGE_REQUESTS):
        assert {row[0] for row in stack.sql("SELECT trace_id FROM scores")} == set(names) - {"deadly"}


def _dies(stack: Stack, component: str, crash_at: str) -> bool:
    """Whether a new start ends by itself; no when it comes past the record."""
    stack.start(component, crash_at=crash_at)
    deadline = time.monotonic() + 60
    while stack.processes[component].poll() is None:
        if stack.sql("SELECT count(*) FROM dead_letters")[0][0]:
            return False
        assert time.monotonic() < deadline, f"it neither dies nor comes past the record\n{stack.logs()}"
        time.sleep(0.2)
    stack.wait_for_death(component)
    return True
