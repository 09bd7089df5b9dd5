"""More comes than can be evaluated: what the policy names is shed in its order, recorded, and taken up again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

import orjson
import pytest

from evaluators.select import is_sampled
from schemas.settings import Topics
from tests.e2e.conftest import MakeStack
from tests.e2e.hostile import Hostile, native, span
from tests.e2e.probes import Scrape, address
from tests.e2e.raw_kafka import write
from tests.e2e.stack import Stack

MIN_SHARE = 0.125
CONFIG = f"""\
project: demo
kafka: {{session_timeout_s: 6, batch_records: 10, partitions: 2}}
overload: {{shed: [slow, length], max_lag_s: 2, step_s: 0.4, min_share: {MIN_SHARE}}}
evaluators:
  - {{type: latency, options: {{max_s: 30}}}}
  - {{type: length, target: trace, options: {{max: 4000}}}}
  - {{name: slow, type: python, target: trace, options: {{callable: "./slow.py:slow"}}}}
alerts:
  - {{name: covered, evaluator: slow, statistic: coverage, window_count: 100, min_samples: 50, warning: 0.9, critical: 0.3}}
"""
SLOW = "import time\n\ndef slow(target):\n    time.sleep(0.05)\n    return True\n"
JUDGED = """\
project: demo
kafka: {session_timeout_s: 6, batch_records: 10, partitions: 2}
overload: {shed: [helpful], max_lag_s: 2, step_s: 0.4}
evaluators:
  - {type: latency, options: {max_s: 30}}
  - {type: llm_judge, name: helpful, target: trace, sample_rate: 0.9, options: {rubric: helpfulness}}
judge: {model: scripted-judge, max_concurrency: 2}
"""
MANY, FEW = 600, 40
DECIDED = "SELECT trace_id, status, skip_reason, inclusion_probability, source_topic FROM scores WHERE evaluator = '{}'"


def traces(numbers: Iterable[int]) -> list[Hostile]:
    """Each asks something else, so that no verdict serves two."""
    found = []
    for n in numbers:
        asked = span("a", input_messages=[{"role": "user", "content": f"Where is order {n}?"}])
        found.append(Hostile(f"t{n}", Topics.TRACES, orjson.dumps(native(f"t{n}", asked)), key=f"t{n}".encode()))
    return found


def decisions(stack: Stack, evaluator: str) -> dict[str, tuple[str, str | None, float, str]]:
    rows = stack.sql(DECIDED.format(evaluator))
    found = {row[0]: row[1:] for row in rows}
    assert len(found) == len(rows), "two decisions for one trace"
    return found  # type: ignore[return-value]


@pytest.mark.timeout(400)
async def test_a_slow_evaluator_is_shed_first_and_comes_back(new_stack: MakeStack) -> None:
    stack = new_stack(CONFIG)
    (stack.folder / "slow.py").write_text(SLOW)
    workers = ("evaluate", "monitor")
    stack.start(*workers)
    stack.ready(workers)
    await write(stack, traces(range(MANY)))
    stack.settle(workers)
    url = address(stack, "evaluate")
    stack.until(lambda: Scrape(url).total("evalstream_overload_share") == 2.0, "the shares do not recover")
    await write(stack, traces(range(MANY, MANY + FEW)))
    stack.settle(workers)

    slow, length = decisions(stack, "slow"), decisions(stack, "length")
    assert len(slow) == len(length) == len(decisions(stack, "latency")) == MANY + FEW
    assert {status for status, *_ in decisions(stack, "latency").values()} == {"scored"}
    for name, found in (("slow", slow), ("length", length)):
        for trace_id, (status, reason, probability, _) in found.items():
            sampled = is_sampled(trace_id, name, probability)
            assert (status, reason) == (("scored", None) if sampled else ("skipped", "overload"))
    shed = {trace_id for trace_id, (status, *_) in slow.items() if status == "skipped"}
    assert len(shed) > 100
    assert all(slow[f"t{n}"][2] == 1.0 for n in range(MANY, MANY + FEW)), "what comes later is looked at whole"
    assert {slow[t][2] for t, (*_, probability, _) in length.items() if probability < 1} <= {MIN_SHARE}
    estimate = sum(1 / probability for status, _, probability, _ in slow.values() if status == "scored")
    assert 0.6 < estimate / (MANY + FEW) < 1.5
    assert Scrape(url).total("evalstream_decisions_total", evaluator="slow", reason="overload") == len(shed)
    assert "WARNING" in {row[0] for row in stack.sql("SELECT state FROM alerts WHERE rule = 'covered'")}

    await write(stack, traces(range(MANY)))  # all once more: what is decided stays
    stack.settle(workers)
    assert decisions(stack, "slow") == slow and decisions(stack, "length") == length


@pytest.mark.timeout(400)
async def test_what_waits_for_a_slow_judge_is_shed_by_the_judge(new_stack: MakeStack) -> None:
    stack = new_stack(JUDGED)
    stack.start_judge("--latency-s", "0.2")
    workers = ("evaluate", "judge", "monitor")
    stack.start(*workers)
    stack.ready(workers)
    begun = time.monotonic()
    for first in range(0, 400, 50):  # 25 a second and more, the judge answers 10
        await write(stack, traces(range(first, first + 50)))
        await asyncio.sleep(2)
    stack.settle(workers)
    assert time.monotonic() - begun < 300
    found = decisions(stack, "helpful")
    assert found.keys() == {f"t{n}" for n in range(400) if is_sampled(f"t{n}", "helpful", 0.9)}
    shed = [trace_id for trace_id, (status, reason, *_) in found.items() if (status, reason) == ("skipped", "overload")]
    by_judge = [trace_id for trace_id in shed if found[trace_id][3] == Topics.JUDGE_REQUESTS]
    assert 10 < len(by_judge) <= len(shed) < len(found), "on a busy machine evaluate may be behind as well"
    for trace_id, (status, _, probability, _) in found.items():
        assert (status == "scored") == is_sampled(trace_id, "helpful", probability) and probability <= 0.9
    judge = Scrape(address(stack, "judge"))
    assert judge.total("evalstream_decisions_total", evaluator="helpful", reason="overload") == len(by_judge)
