"""A change of quality, published as traces: one drift event, at the right time and of the right size; and with the monitor
killed in the middle the same event, once, bit for bit (but for the cause, which is read from what is stored by then)."""

from __future__ import annotations

import asyncio
import random
import time
from datetime import datetime
from typing import Any

import orjson
import pytest

from schemas.settings import Topics
from tests.e2e.conftest import MakeStack
from tests.e2e.raw_kafka import read_all
from tests.e2e.stack import Stack

COMPONENTS = ("evaluate", "monitor")
BEFORE, AFTER, SPACING_S, AHEAD_S = 900, 200, 0.2, 50
RATE_BEFORE, RATE_AFTER = 0.95, 0.6
CONFIG = """\
project: helpdesk
kafka: {session_timeout_s: 6, partitions: 1, batch_records: 60}
evaluators:
  - {type: contains, name: polite, target: trace, options: {any_of: ["please"]}}
monitor:
  detectors: [{type: conformal, options: {patience: 100000}}]
"""
COLUMNS = """event_id, segment_key, detector, kind, change, detected_at, changed_at, changed_earliest, changed_latest,
    before, before_low, before_high, after, after_low, after_high, statistic, threshold, observations, observations_after, epoch,
    revision, revises, subject, trace_id, explanation, details"""


def traces(start: float) -> list[bytes]:
    """One trace every `SPACING_S`."""
    dice, lines = random.Random(5), []
    for number in range(BEFORE + AFTER):
        kind = "please" if dice.random() < (RATE_BEFORE if number < BEFORE else RATE_AFTER) else "now"
        began = start + number * SPACING_S
        call = {
            "span_id": f"s{number}",
            "name": "chat",
            "kind": "llm",
            "response_model": "model-1" if number < BEFORE else "model-2",
            "start": began - 0.1,
            "end": began,
            "input_messages": [{"role": "user", "content": f"question {number}"}],
            "output_messages": [{"role": "assistant", "content": f"answer {number}, {kind}"}],
        }
        lines.append(orjson.dumps({"trace_id": f"t{number:05d}", "spans": [call]}))
    return lines


def published(stack: Stack, lines: list[bytes]) -> None:
    file = stack.folder / "traces.jsonl"
    file.write_bytes(b"\n".join(lines))
    stack.publish(file)


def drift_events(stack: Stack) -> list[tuple[Any, ...]]:
    return stack.sql(f"SELECT {COLUMNS} FROM drift_events ORDER BY seq")


@pytest.mark.timeout(600)
def test_one_change_is_one_event_however_the_monitor_dies(new_stack: MakeStack) -> None:
    # A time further than 5 minutes from its record's would be drawn to it, and the second stack publishes later.
    start = time.time() + AHEAD_S
    lines = traces(start)
    calm, stormy = new_stack(CONFIG), new_stack(CONFIG)

    calm.start(*COMPONENTS)
    published(calm, lines)
    calm.settle(COMPONENTS)
    (event,) = calm.cli("drift")
    right(event, start)
    because_of_the_model(event)
    assert topic(calm) == [event["event_id"]]

    stormy.start(*COMPONENTS)
    published(stormy, lines[:700])
    stormy.settle(COMPONENTS)
    stormy.kill("monitor")
    stormy.start("monitor", crash_at="monitor.counted:1")
    published(stormy, lines[700:960])
    for following in ("monitor.committed:1", "monitor.counted:2", None):
        stormy.wait_for_death("monitor", 120)
        if following == "monitor.counted:2":
            published(stormy, lines[960:])
        stormy.start("monitor", crash_at=following)
    stormy.settle(COMPONENTS)
    assert drift_events(stormy) == drift_events(calm)
    assert topic(stormy) == topic(calm)


def right(event: dict[str, Any], start: float) -> None:
    """The segment, the time and the size of what was published."""
    assert (event["segment"]["project"], event["segment"]["evaluator"]) == ("helpdesk", "polite")
    assert event["before"] == pytest.approx(RATE_BEFORE, abs=0.03)
    assert event["before_low"] <= event["before"] <= event["before_high"]
    assert event["after_low"] <= RATE_AFTER <= event["after_high"]
    assert event["revision"] == 0 and event["epoch"] == 1 and event["change"] == "new"
    names = ("changed_earliest", "changed_at", "changed_latest", "detected_at")
    since = [datetime.fromisoformat(event[name]).timestamp() - start for name in names]
    earliest, changed, latest, found = (seconds / SPACING_S for seconds in since)
    a_second = 1 / SPACING_S  # to which times of the past are kept
    assert abs(changed - BEFORE) <= 10 + a_second
    assert earliest - a_second <= BEFORE <= latest + a_second
    assert BEFORE < found <= BEFORE + 100


def because_of_the_model(event: dict[str, Any]) -> None:
    """Another model answers from the change on, and nothing else is different."""
    assert (event["cause"]["verdict"], event["cause"]["factor"]) == ("app", "model")
    assert {g["value"] for g in event["cause"]["effects"][0]["groups"]} == {"model-1", "model-2"}
    assert event["labels_changed"] == [{"label": "model", "before": "model-1", "after": "model-2"}]


def topic(stack: Stack) -> list[str]:
    """The ids of the events that stand in the topic."""
    return sorted({orjson.loads(record.value)["event_id"] for record in asyncio.run(read_all(stack, Topics.DRIFT))})
