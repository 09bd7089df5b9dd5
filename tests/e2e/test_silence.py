"""The dead man's alert, end to end: an evaluator from which no score comes raises NO_DATA, whatever the reason."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import MakeStack
from tests.schemas.recorded import EXAMPLES

CONFIG = """\
project: airline-agent
environment: production
kafka: {session_timeout_s: 6, batch_records: 40, partitions: 2}
assemble: {quiet_s: 1.0, rootless_quiet_s: 3.0}
evaluators:
  - {type: latency, target: trace, name: speaks}
  - {type: latency, target: trace, name: filtered, filter: "false"}
  - {type: cost, target: trace, name: skips}
alerts:
  - {name: speaks-alive, evaluator: speaks, window_s: 3600, no_data_after_s: 8}
  - {name: filtered-alive, evaluator: filtered, window_s: 3600, no_data_after_s: 8}
  - {name: skips-alive, evaluator: skips, window_s: 3600, no_data_after_s: 8}
"""
COMPONENTS = ("assemble", "evaluate", "monitor")
STATES = "SELECT rule, previous_state, state FROM alerts ORDER BY seq"


@pytest.mark.timeout(600)
def test_silence_is_told_and_taken_back(new_stack: MakeStack) -> None:
    stack = new_stack(CONFIG)
    stack.start(*COMPONENTS)
    stack.publish(EXAMPLES / "airline.otlp.jsonl.gz")
    stack.settle(COMPONENTS)
    silent = {"filtered-alive", "skips-alive", "speaks-alive"}
    stack.until(lambda: {r for r, _, state in stack.sql(STATES) if state == "NO_DATA"} >= silent, "no NO_DATA")
    skipped = stack.cli("scores", "--coverage", "--evaluator", "skips")
    assert [(line["scored"], line["coverage"]) for line in skipped] == [(0, 0.0)]
    assert skipped[0]["skipped"]
    stack.publish(EXAMPLES / "airline_faulty.otlp.jsonl.gz")
    stack.until(lambda: ("speaks-alive", "NO_DATA", "OK") in stack.sql(STATES), "the next score takes it back")
    assert ("skips-alive", "NO_DATA", "OK") not in stack.sql(STATES)
