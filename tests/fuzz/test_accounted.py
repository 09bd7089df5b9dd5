"""Fuzzed records on every input topic of a running stack: each is worked on or a dead letter, by position.

EVALSTREAM_FUZZ_RECORDS says how many (`make fuzz`: 12,000), EVALSTREAM_FUZZ_SEED which.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import InvalidRecord
from schemas.ids import Hasher
from schemas.judge_request import JudgeRequest
from schemas.measurement import MeasurementBatch
from schemas.native import read_trace
from schemas.otlp import decode
from schemas.session import SessionClosed, SessionMember
from schemas.settings import Topics
from streams.evaluating.feedback import FeedbackRecord
from tests.brokers import DevBrokerProcess
from tests.e2e.hostile import PARTITIONS, Hostile
from tests.e2e.raw_kafka import Place, make_roomy_topics, write
from tests.e2e.stack import COMPONENTS, Stack
from tests.fuzz.strategies import SHARES, STRATEGIES, drawn

CONFIG = """\
project: fuzz
kafka: {topic_prefix: fuzz-, session_timeout_s: 20, batch_records: 100, partitions: 4}
assemble: {quiet_s: 0.5, rootless_quiet_s: 1.0}
sessions: {quiet_s: 1.0}
presets: [failure_modes]
evaluators:
  - {type: length, target: trace, options: {max: 4000}}
  - {type: length, name: conversation, target: session, options: {max: 4000}}
monitor: {dimensions: [tool, model]}
"""
RECORDS = int(os.environ.get("EVALSTREAM_FUZZ_RECORDS", "1400"))
SEED = int(os.environ.get("EVALSTREAM_FUZZ_SEED", "1"))
ROUNDS = 4
MOST_GROWTH_MB = 20.0
HASHER = Hasher(b"any")
LETTERS = "SELECT source_topic, source_partition, source_offset, reason, detail FROM dead_letters"
LATER = frozenset(("too_large",))
"""Reasons of which reading alone does not tell."""

Read = Callable[[bytes], Any]


def _feedback(value: bytes) -> None:
    given = FeedbackRecord.from_bytes(value)
    if not 0 <= given.score <= 1:
        raise InvalidRecord("out_of_range", "")


def _measurements(value: bytes) -> None:
    if MeasurementBatch.from_bytes(value).partition_count != PARTITIONS:
        raise InvalidRecord("partition_count", "")


READERS: dict[str, Read] = {
    Topics.OTLP_SPANS: lambda value: decode(value, HASHER),
    Topics.OTLP_SPANS_BY_TRACE: lambda value: decode(value, HASHER),
    Topics.TRACES: lambda value: read_trace(value, HASHER, default_project="p", default_environment="e"),
    Topics.SESSION_TRACES: SessionMember.from_bytes,
    Topics.SESSIONS: SessionClosed.from_bytes,
    Topics.JUDGE_REQUESTS: JudgeRequest.from_bytes,
    Topics.MEASUREMENTS: _measurements,
    Topics.FEEDBACK: _feedback,
}


@pytest.mark.timeout(3_000)
async def test_every_fuzzed_record_is_accounted_for(tmp_path: Path, dev_broker: DevBrokerProcess) -> None:
    stack = Stack(tmp_path, dev_broker.bootstrap_servers, config=CONFIG)
    await make_roomy_topics(stack, Topics.TRACES, Topics.OTLP_SPANS)
    records, places = made_up(RECORDS, SEED), []
    try:
        stack.start()
        stack.ready()
        pids = {name: process.pid for name, process in stack.processes.items()}
        memory = []
        for round_ in range(ROUNDS):
            places += await write(stack, records[round_::ROUNDS])
            stack.settle()
            memory.append({name: resident_mb(pid) for name, pid in pids.items()})
        in_order = [record for round_ in range(ROUNDS) for record in records[round_::ROUNDS]]
        letters = {Place(*row[:3]): row[3:] for row in stack.sql(LETTERS)}
        assert disagreements(in_order, places, letters) == []
        assert lost(stack, in_order, places, letters) == []
        assert {name: process.poll() for name, process in stack.processes.items()} == dict.fromkeys(COMPONENTS)
        # What grows with what was read grows in every round; a library that one of them was the first to need does not.
        growth = {name: min(b[name] - a[name] for a, b in pairwise(memory)) for name in COMPONENTS}
        assert max(growth.values()) < MOST_GROWTH_MB, memory
        print(_told(in_order, letters, memory))
    finally:
        stack.stop()


def made_up(count: int, seed: int) -> list[Hostile]:
    """Records for all topics in a mixed order; every tenth has a key that is somebody else's, or none."""
    found = []
    shares = {topic: SHARES.get(topic, 1) for topic in STRATEGIES}
    for number, (topic, share) in enumerate(shares.items()):
        values = drawn(STRATEGIES[topic], count * share // sum(shares.values()) + 1, seed * 1_000 + number)
        found += [Hostile(f"{topic} {n}", topic, value, key=_key(n)) for n, value in enumerate(values)]
    return sorted(found, key=lambda record: HASHER.digest(record.name))


def _key(number: int) -> bytes | None:
    return None if number % 10 == 0 else b"\xff\x00" if number % 10 == 1 else f"key {number % 50}".encode()


def disagreements(records: Iterable[Hostile], places: Iterable[Place], letters: dict[Place, Any]) -> list[str]:
    """Records that are a dead letter and can be read, or the other way round; and mistakes of ours."""
    found = []
    for record, place in zip(records, places, strict=True):
        try:
            READERS[record.topic](record.value or b"")
            expected = None
        except InvalidRecord as error:
            expected = error.reason
        reason, detail = letters.get(place, (None, None))
        if reason in LATER:
            continue
        if reason == "internal_error" or (reason is None) != (expected is None):
            found.append(f"{record.topic}: {reason} ({detail}), expected {expected}: {(record.value or b'')[:300]!r}")
    return found[:20]


def lost(
    stack: Stack, records: Iterable[Hostile], places: Iterable[Place], letters: dict[Place, Any]
) -> list[tuple[str, str]]:
    """(trace, span) of readable spans that are not stored, and traces whose feedback is not."""
    stored = set(stack.sql("SELECT DISTINCT trace_id, span_id FROM spans"))
    said = {row[0] for row in stack.sql("SELECT DISTINCT trace_id FROM scores WHERE kind = 'human'")}
    missing = []
    for record, place in zip(records, places, strict=True):
        if place in letters:
            continue
        read = READERS[record.topic](record.value or b"") if record.topic in _WITH_SPANS else None
        for part in read if isinstance(read, list) else [read] if read else []:
            missing += [(part.trace_id, s.span_id) for s in part.spans if (part.trace_id, s.span_id) not in stored]
        if record.topic == Topics.FEEDBACK:
            trace_id = FeedbackRecord.from_bytes(record.value or b"").trace_id
            missing += [(trace_id, "feedback")] if trace_id not in said else []
    return missing[:20]


_WITH_SPANS = (Topics.TRACES, Topics.OTLP_SPANS, Topics.OTLP_SPANS_BY_TRACE)


def resident_mb(pid: int) -> float:
    """Memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"{pid} is gone")


def _told(records: list[Hostile], letters: dict[Place, Any], memory: list[dict[str, float]]) -> str:
    dead = Counter(place.topic for place in letters)
    of_topic = Counter(record.topic for record in records)
    lines = [f"{topic}: {count} published, {dead[topic]} dead letters" for topic, count in sorted(of_topic.items())]
    reasons = Counter(reason for reason, _ in letters.values())
    sizes = "; ".join(f"{name} {memory[0][name]:.0f} → {memory[-1][name]:.0f} MB" for name in COMPONENTS)
    return "\n".join([*lines, f"{len(records)} records, {len(letters)} dead letters: {dict(reasons)}", sizes])
