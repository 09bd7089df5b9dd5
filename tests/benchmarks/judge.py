"""Judged items a second, beside a bare aiohttp and orjson loop in the same run.

    python -m tests.benchmarks.judge [--latency-s 0.2] [--seconds 5]

The scripted server runs in a process of its own. "Possible" is what the latency allows: concurrency / latency.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from resource import RUSAGE_SELF, getrusage

import aiohttp
import orjson
import uvloop

from evaluators.base import Environment, Identity
from evaluators.callable.pool import CallablePool
from evaluators.deferred import DeferredRuntime
from evaluators.judge.evaluator import LlmJudge, LlmJudgeOptions
from evaluators.judge.prompt import messages
from evaluators.protocol import Verdict
from schemas.judge_request import View
from schemas.settings import Settings

FILL = "The agent looked the reservation up and told the user what it found. " * 28  # about 2 KB

Ask = Callable[[int], Awaitable[bool]]


def view(number: int) -> View:
    fields = {"history": FILL, "output": f"Your reservation {number} is booked."}
    return View(target_id="", target_digest=str(number), fields=fields)


def judge_for(base_url: str, concurrency: int) -> LlmJudge:
    settings = Settings.model_validate(
        {
            "judge": {"base_url": base_url, "max_concurrency": concurrency, "budget": {"max_cost_usd": 1e6}},
            "prices": {"*": {"input_per_mtok": 1, "output_per_mtok": 1}},
        }
    )
    identity = Identity("judge", "v1", "trace", frozenset(("llm",)))
    options = LlmJudgeOptions(rubric="faithfulness")
    return LlmJudge(identity, options, Environment(settings, Path.cwd(), CallablePool(1, 1.0)))


async def rate(ask: Ask, concurrency: int, seconds: float) -> tuple[float, float]:
    """(items a second, CPU ms an item) with `concurrency` workers, after a second of warming up."""
    counted, number, stop = 0, 0, False

    async def work() -> None:
        nonlocal counted, number
        while not stop:
            number += 1
            if not await ask(number):
                raise SystemExit("an item was not scored")
            counted += 1

    workers = [asyncio.create_task(work()) for _ in range(concurrency)]
    await asyncio.sleep(1.5)
    before, begun, cpu = counted, time.perf_counter(), _cpu_s()
    await asyncio.sleep(seconds)
    done, took, used = counted - before, time.perf_counter() - begun, _cpu_s() - cpu
    stop = True
    await asyncio.gather(*workers)
    return done / took, used / done * 1000


async def ours(base_url: str, concurrency: int, seconds: float) -> tuple[float, float]:
    judge = judge_for(base_url, concurrency)
    runtime = DeferredRuntime(judge.environment.settings)
    runtime.attach([judge])

    async def ask(number: int) -> bool:
        [[answer]] = await judge.judge([view(number)], 60.0)
        return isinstance(answer, Verdict)

    try:
        return await rate(ask, concurrency, seconds)
    finally:
        await runtime.close()


async def bare(base_url: str, concurrency: int, seconds: float) -> tuple[float, float]:
    judge = judge_for(base_url, concurrency)
    brief = judge.brief
    body = {"model": "m", "messages": messages(brief, view(1).fields), "response_format": brief.response_format}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:

        async def ask(number: int) -> bool:
            async with session.post(f"{base_url}/chat/completions", data=orjson.dumps(body)) as answer:
                return bool(orjson.loads(await answer.read())["choices"])

        return await rate(ask, concurrency, seconds)


async def main(latency_s: float, seconds: float) -> None:
    command = (sys.executable, "-m", "streams.scripted_judge", "--latency-s", str(latency_s))
    server = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert server.stdout is not None
        found = re.search(r"base_url (\S+)", (await server.stdout.readline()).decode())
        assert found is not None
        print("concurrency  possible  bare aiohttp (CPU ms)  ours (CPU ms)  ours/bare  ours/possible")
        for concurrency in (64, 512):
            floor, floor_ms = await bare(found.group(1), concurrency, seconds)
            got, got_ms = await ours(found.group(1), concurrency, seconds)
            possible = concurrency / latency_s
            print(
                f"{concurrency:11}  {possible:8.0f}  {floor:12.0f} ({floor_ms:6.2f})  {got:5.0f} ({got_ms:6.2f})"
                f"  {got / floor:9.2f}  {got / possible:13.2f}"
            )
    finally:
        server.terminate()
        await server.wait()


def _cpu_s() -> float:
    used = getrusage(RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency-s", type=float, default=0.2)
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(given.latency_s, given.seconds))
