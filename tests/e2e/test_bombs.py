"""Compressed batches that grow a thousand times: set aside unread, by their position, and what lies around them is worked on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
from aiokafka import AIOKafkaProducer

from schemas.settings import Topics
from tests.e2e.conftest import MakeStack
from tests.e2e.hostile import native
from tests.e2e.stack import Stack

COMPONENTS = ("assemble", "evaluate")
CONFIG = """\
project: demo
kafka: {session_timeout_s: 6, partitions: 1, max_inflated_mb: 16}
evaluators:
  - {type: length, name: short, target: trace, options: {max: 4000}}
"""
BOMB_MB, GROWN_MB = 200, 100


def test_a_bomb_is_set_aside_and_the_log_is_read_on(new_stack: MakeStack) -> None:
    stack = new_stack(CONFIG)
    stack.start(*COMPONENTS)
    stack.ready(COMPONENTS)
    before = {name: peak_mb(stack, name) for name in COMPONENTS}
    asyncio.run(bombard(stack))
    stack.settle(COMPONENTS)

    letters = stack.cli("deadletters", "list")
    found = {(letter["source"]["topic"], letter["source"]["offset"]) for letter in letters}
    assert found == {(Topics.TRACES, 1), (Topics.TRACES, 4), (Topics.OTLP_SPANS, 0), (Topics.FEEDBACK, 0)}
    for letter in letters:
        assert letter["reason"] == "inflates" and "kafka.max_inflated_mb (16 MB)" in letter["detail"], letter
    assert {row[0] for row in stack.sql("SELECT trace_id FROM scores")} == {"first", "middle", "last"}
    for name in COMPONENTS:
        assert peak_mb(stack, name) - before[name] < GROWN_MB, f"{name} has inflated it"

    outcomes = {document.get("outcome") for document in stack.cli("deadletters", "requeue", "--all", check=False)}
    assert outcomes == {"inflates"}, "there is nothing that could be published again"

    stack.kill("evaluate")
    stack.start("evaluate")
    stack.settle(COMPONENTS)
    assert len(stack.cli("deadletters", "list")) == len(letters), "a position at a bomb is known again"


async def bombard(stack: Stack) -> None:
    """Good traces, and between them bombs of each kind."""
    for codec, topic, trace in (
        ("zstd", Topics.OTLP_SPANS, "first"),
        ("gzip", Topics.TRACES, "middle"),
        ("lz4", Topics.FEEDBACK, None),
        (None, Topics.TRACES, "last"),
        ("zstd", Topics.TRACES, None),
    ):
        producer = AIOKafkaProducer(
            bootstrap_servers=stack.bootstrap_servers, compression_type=codec, max_request_size=2**30
        )
        await producer.start()
        if codec:
            await producer.send_and_wait(stack.prefix + topic, bytes(BOMB_MB * 2**20), partition=0)
        if trace:
            await producer.send_and_wait(stack.prefix + Topics.TRACES, orjson.dumps(native(trace)), partition=0)
        await producer.stop()


def peak_mb(stack: Stack, name: str) -> float:
    """The most memory that a worker has had, MB."""
    status = Path(f"/proc/{stack.processes[name].pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024
