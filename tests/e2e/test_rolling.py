"""Every worker is restarted in turn while traces come: nothing is lost, next to nothing done again, and no long gap."""

from __future__ import annotations

import asyncio
import re
import signal
import statistics
import time
from ast import literal_eval
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

import orjson
import pytest
from sqlalchemy import select

from schemas.settings import Topics
from sinks.warehouse.tables import scores
from tests.e2e.conftest import MakeStack
from tests.e2e.hostile import Hostile, native, otlp, otlp_span, span
from tests.e2e.raw_kafka import write
from tests.e2e.stack import COMPONENTS, Stack
from tests.e2e.test_kills import MEASURED, counted_by_monitor

BATCH, PARTITIONS = 20, 4
CONFIG = f"""\
project: demo
kafka: {{session_timeout_s: 6, batch_records: {BATCH}, partitions: {PARTITIONS}}}
assemble: {{quiet_s: 0.5, rootless_quiet_s: 1}}
worker: {{drain_s: 15}}
evaluators:
  - {{type: length, target: trace, options: {{max: 4000}}}}
  - {{type: latency, options: {{max_s: 30}}}}
  - {{type: llm_judge, name: helpful, target: trace, options: {{rubric: helpfulness}}}}
judge: {{model: scripted-judge, max_concurrency: 8}}
"""
EACH = 5  # native and OTLP traces in each round
REBALANCES = 4  # of one component: each of its two workers leaves and comes


def records(numbers: Iterable[int]) -> list[Hostile]:
    """For each number a native trace for `evaluate`, and one of OTLP for `assemble`."""
    found = []
    for n in numbers:
        asked = span("a", input_messages=[{"role": "user", "content": f"Where is order {n}?"}])
        found.append(Hostile(f"t{n}", Topics.TRACES, orjson.dumps(native(f"t{n}", asked)), key=f"t{n}".encode()))
        trace_id = f"{n:032x}"
        texts = {"gen_ai.input.messages": f'[{{"role": "user", "parts": [{{"type": "text", "content": "{n}?"}}]}}]'}
        found.append(Hostile(trace_id, Topics.OTLP_SPANS, otlp(otlp_span(trace_id, **texts)), key=trace_id.encode()))
    return found


@pytest.mark.timeout(500)
async def test_a_rolling_restart_leaves_no_gap(new_stack: MakeStack) -> None:
    stack = new_stack(CONFIG)
    stack.start_judge("--latency-s", "0.05")
    for name in COMPONENTS:  # two of each
        stack.start(name)
        stack.processes[f"{name} 2"] = stack.processes.pop(name)
        stack.start(name)
    await asyncio.to_thread(stack.ready)
    sent: dict[str, float] = {}
    going = asyncio.Event()
    publishing = asyncio.create_task(_publish(stack, sent, going))
    for name in [f"{name}{which}" for name in COMPONENTS for which in ("", " 2")]:
        await asyncio.to_thread(_restart, stack, name)
    going.set()
    await publishing
    await asyncio.to_thread(stack.settle)

    assert stack.counts()["traces"] == len(sent) > 50 and stack.counts()["dead_letters"] == 0
    [(latency,)] = stack.sql("SELECT count(*) FROM scores WHERE evaluator = 'latency' AND status = 'scored'")
    assert latency == len(sent)
    helpful = stack.sql("SELECT trace_id, status FROM scores WHERE evaluator = 'helpful'")
    assert len({row[0] for row in helpful}) == len(helpful) >= len(sent) / 2
    assert {status for _, status in helpful} == {"scored"}
    assert counted_by_monitor(stack) == dict(stack.sql(MEASURED))

    ages = sorted(stored.timestamp() - sent[trace_id] for trace_id, stored in _stored(stack))
    await asyncio.to_thread(stack.stop)
    received = {name: _received(stack, name) for name in COMPONENTS}
    print(
        f"rolling restart of 8 workers: {len(sent)} traces, decided after p50 {statistics.median(ages):.2f} s, "
        f"p99 {ages[int(len(ages) * 0.99)]:.2f} s, longest {ages[-1]:.2f} s; received {received}"
    )
    # a rebalance may take a batch in hand from each partition: it is read again, and changes nothing
    tail = REBALANCES * PARTITIONS * BATCH
    assert len(sent) <= received["evaluate"][Topics.TRACES] <= len(sent) + tail
    assert len(sent) / 2 <= received["assemble"][Topics.OTLP_SPANS] <= len(sent) / 2 + tail
    assert "not everything was" not in stack.logs()


@pytest.mark.timeout(300)
async def test_what_is_not_finished_by_the_deadline_is_read_again(new_stack: MakeStack) -> None:
    """The judge hangs: its worker ends soon after `drain_s` all the same, and the next one asks again."""
    stack = new_stack(CONFIG.replace("drain_s: 15", "drain_s: 2"))
    workers = ("evaluate", "judge")
    stack.start_judge("--hang", "1")
    stack.start(*workers)
    await asyncio.to_thread(stack.ready, workers)
    await write(stack, [one for one in records(range(1, 11)) if one.topic == Topics.TRACES])
    await asyncio.to_thread(stack.until, lambda: _in_flight(stack) == 10, "the judge is not asked")
    begun = time.monotonic()
    stack.processes["judge"].send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(stack.wait_for_death, "judge") == 0
    assert time.monotonic() - begun >= 2
    assert "not everything was finished in time" in stack.logs()
    stack.kill("scripted-judge")
    stack.start_judge()
    stack.start("judge")
    await asyncio.to_thread(stack.settle, workers)
    assert stack.sql("SELECT status, count(*) FROM scores WHERE evaluator = 'helpful' GROUP BY 1") == [("scored", 10)]


def _in_flight(stack: Stack) -> int:
    return sum(one.state.get("in_flight", 0) for one in stack.warehouse.components() if one.component == "judge")


def _restart(stack: Stack, name: str) -> None:
    process = stack.processes.pop(name)
    process.send_signal(signal.SIGTERM)
    assert process.wait(40) == 0, stack.logs()
    component = name.split()[0]
    other = stack.processes.pop(component, None)
    stack.start(component)
    if other is not None:  # `start` takes the name
        stack.processes[name] = stack.processes.pop(component)
        stack.processes[component] = other
    stack.ready([component])
    time.sleep(1)


async def _publish(stack: Stack, sent: dict[str, float], done: asyncio.Event) -> None:
    first = 1
    while not done.is_set():
        found = records(range(first, first + EACH))
        await write(stack, found)
        sent.update({one.name: time.time() for one in found})
        first += EACH
        await asyncio.sleep(1)


def _stored(stack: Stack) -> list[tuple[str, datetime]]:
    """When the decision about each trace was stored."""
    query = select(scores.c.trace_id, scores.c.stored_at).where(scores.c.evaluator == "latency")
    with stack.warehouse.database.read() as connection:
        return [(trace_id, stored_at) for trace_id, stored_at in connection.execute(query)]


def _received(stack: Stack, component: str) -> Counter[str]:
    """Records that all workers of a component have taken up, as each says at its end."""
    log = (stack.folder / f"{component}.log").read_text()
    return sum((Counter(literal_eval(told)) for told in re.findall(r"records=(\{[^}]*\})", log)), Counter())
