"""A configuration that is changed while traces come: taken up between two batches, or refused with a clear word."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable
from pathlib import Path

import orjson
import pytest

from schemas.settings import Topics
from tests.e2e.conftest import MakeStack
from tests.e2e.hostile import Hostile, native, span
from tests.e2e.probes import Scrape, address
from tests.e2e.raw_kafka import write
from tests.e2e.stack import Stack

CONFIG = """\
project: demo
kafka: {session_timeout_s: 6, batch_records: 20, partitions: 2}
evaluators:
  - {type: length, target: trace, options: {max: 4000}}
  - {type: llm_judge, name: helpful, target: trace, options: {rubric: helpfulness}}
judge: {model: scripted-judge, max_concurrency: 4}
"""
CHANGED = (
    CONFIG.replace("{max: 4000}", "{max: 1}").replace("max_concurrency: 4", "max_concurrency: 8")
    + """\
  # what follows is new
alerts:
  - {name: short, evaluator: length, statistic: pass_rate, window_count: 20, min_samples: 5, warning: 0.5}
"""
)
WORKERS = ("evaluate", "judge", "monitor")


def traces(numbers: Iterable[int]) -> list[Hostile]:
    found = []
    for n in numbers:
        asked = span("a", input_messages=[{"role": "user", "content": f"Where is order {n}?"}])
        found.append(Hostile(f"t{n}", Topics.TRACES, orjson.dumps(native(f"t{n}", asked)), key=f"t{n}".encode()))
    return found


def hang_up(stack: Stack, *names: str) -> None:
    for name in names:
        stack.processes[name].send_signal(signal.SIGHUP)


def says(stack: Stack, name: str, text: str) -> None:
    log: Path = stack.folder / f"{name}.log"
    stack.until(lambda: text in log.read_text(), f"{name} does not say {text!r}")


@pytest.mark.timeout(400)
async def test_evaluators_alerts_and_limits_change_between_two_batches(new_stack: MakeStack) -> None:
    stack = new_stack(CONFIG)
    stack.start_judge("--latency-s", "0.05")
    stack.start(*WORKERS)
    stack.ready(WORKERS)
    before = stack.config.read_text()
    prefix = before.partition("topic_prefix: ")[2].partition(",")[0]
    await write(stack, traces(range(30)))
    stack.settle(WORKERS)

    publishing = asyncio.create_task(_keep_publishing(stack, 30, 90))
    stack.config.write_text(CHANGED.replace("kafka: {", f"kafka: {{topic_prefix: {prefix}, "))
    hang_up(stack, "judge", "monitor")
    for name in ("judge", "monitor"):
        await asyncio.to_thread(says, stack, name, "reloaded")
    hang_up(stack, "evaluate")
    await asyncio.to_thread(says, stack, "evaluate", "reloaded")
    await publishing
    await write(stack, traces(range(90, 120)))
    await asyncio.to_thread(stack.settle, WORKERS)

    rows = stack.sql("SELECT trace_id, evaluator_version, passed FROM scores WHERE evaluator = 'length'")
    assert len(rows) == len({row[0] for row in rows}) == 120, "each trace by one version, none lost"
    versions = {bool(passed): version for _, version, passed in rows}
    assert len(versions) == 2
    assert {row[1] for row in rows if int(row[0][1:]) < 30} == {versions[True]}
    assert {row[1] for row in rows if int(row[0][1:]) >= 90} == {versions[False]}
    assert stack.sql("SELECT count(*) FROM scores WHERE evaluator = 'helpful' AND status <> 'scored'") == [(0,)]
    assert stack.sql("SELECT count(DISTINCT trace_id) FROM scores WHERE evaluator = 'helpful'") == [(120,)]
    assert "WARNING" in {row[0] for row in stack.sql("SELECT state FROM alerts WHERE rule = 'short'")}
    judge = Scrape(address(stack, "judge"))
    assert judge.total("evalstream_judge_concurrency_limit") == 8
    assert judge.total("evalstream_judge_attempts_total", outcome="ok") >= 120, "counters go on"
    assert judge.total("evalstream_config_reloads_total", outcome="ok") == 1
    assert stack.counts()["requests"] == 0


@pytest.mark.timeout(300)
async def test_what_cannot_be_taken_up_leaves_the_old_configuration(new_stack: MakeStack) -> None:
    stack = new_stack(CONFIG.replace("  - {type: llm_judge", "  # - {type: llm_judge"))
    stack.start("evaluate")
    stack.ready(["evaluate"])
    before = stack.config.read_text()
    url = address(stack, "evaluate")

    stack.config.write_text(before.replace("options: {max: 4000}", "options: {max: many}"))
    hang_up(stack, "evaluate")
    says(stack, "evaluate", "the changed configuration is wrong, the old one goes on")
    says(stack, "evaluate", f"{stack.config}:4: evaluators[0].options.max")
    stack.config.write_text(before.replace("batch_records: 20", "batch_records: 21").replace("4000", "1"))
    hang_up(stack, "evaluate")
    says(stack, "evaluate", "these need a restart")
    says(stack, "evaluate", "kafka.batch_records")
    stack.until(lambda: Scrape(url).total("evalstream_config_reloads_total") == 2, "two reloads are counted")
    scrape = Scrape(url)
    assert scrape.total("evalstream_config_reloads_total", outcome="invalid") == 1
    assert scrape.total("evalstream_config_reloads_total", outcome="needs_restart") == 1

    await write(stack, traces(range(10)))
    stack.settle(["evaluate"])
    assert stack.sql("SELECT DISTINCT passed, count(*) FROM scores GROUP BY 1") == [(True, 10)]


async def _keep_publishing(stack: Stack, first: int, last: int) -> None:
    for n in range(first, last, 5):
        await write(stack, traces(range(n, n + 5)))
        await asyncio.sleep(0.2)
