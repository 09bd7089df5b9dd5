"""Bad input: each bad record gets a dead letter with a reason or is worked on, and no good trace lacks a decision."""

from __future__ import annotations

from base64 import b64decode
from collections import defaultdict
from typing import Any

import orjson
import pytest

from schemas.dead_letter import DeadLetter
from schemas.settings import Topics
from tests.e2e.conftest import MakeStack
from tests.e2e.hostile import (
    MEGABYTE,
    Hostile,
    native,
    of_other_times,
    on_spans,
    on_the_rest,
    on_traces,
    otlp,
    otlp_span,
    span,
)
from tests.e2e.raw_kafka import Place, make_roomy_topics, read_all, write
from tests.e2e.stack import Stack

CONFIG = """\
project: demo
kafka: {session_timeout_s: 6, batch_records: 40, partitions: 4}
assemble: {quiet_s: 1.0, rootless_quiet_s: 2.0}
sessions: {quiet_s: 1.5}
redaction: {keep_dead_letter_payloads: true}
evaluate: {callable_timeout_s: 1.0}
evaluators:
  - {type: regex, name: catastrophe, target: trace, options: {must_not_match: "(x+x+)+y"}}
  - {type: length, name: short, target: trace, options: {max: 4000}}
  - {type: latency, options: {max_s: 30}}
  - {type: python, name: own, target: trace, options: {callable: "./checks.py:own"}}
  - {type: llm_judge, name: helpful, target: trace, options: {rubric: helpfulness}}
  - {type: length, name: conversation, target: session, options: {max: 4000}}
judge: {model: m, base_url: "http://127.0.0.1:9/v1", max_attempts: 1, timeout_s: 5}
monitor: {dimensions: [tool, model]}
"""
CHECKS = """\
import os, signal, time

def own(target):
    trace_id = target["trace"]["trace_id"]
    if trace_id == "hangs":
        time.sleep(600)
    if trace_id == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if trace_id == "exits":
        raise SystemExit(0)
    if trace_id == "raises":
        raise ValueError("\\x00 \\ud800 no")
    return {"garbage": object()} if trace_id == "garbage" else 1.0
"""
FAILURES = {
    "hangs": {"CallableTimeout"},
    "dies": {"CallableDied"},
    "exits": {"CallableDied"},
    "raises": {"ValueError"},
    "garbage": {"InvalidVerdict"},
}
SECRET = "jane.doe@example.com"
DECISIONS = """
    SELECT trace_id, evaluator, status, error_type, count(*) FROM v_scores_current
    WHERE kind <> 'human' GROUP BY 1, 2, 3, 4
"""
LETTERS = "SELECT source_topic, source_partition, source_offset, reason, detail, digest, payload FROM dead_letters"


@pytest.mark.timeout(300)
async def test_bad_records_hurt_nobody(new_stack: MakeStack) -> None:
    stack = new_stack(CONFIG)
    embedded = stack.warehouse_url.startswith("sqlite")
    (stack.folder / "checks.py").write_text(CHECKS)
    await make_roomy_topics(stack, Topics.TRACES, Topics.OTLP_SPANS)
    stack.environment["OPENAI_API_KEY"] = "none"
    stack.start()
    stack.ready()
    bad = [*on_traces(), *on_spans(), *on_the_rest(), *(of_other_times() if embedded else ())]
    places = await write(stack, _with_good_between(bad))
    stack.settle()
    letters = {Place(*row[:3]): row[3:] for row in stack.sql(LETTERS)}
    assert _disagreements(_with_good_between(bad), places, letters) == []
    _assert_good_traces_are_decided(stack, GOOD)
    _assert_odd_traces_are_stored(stack)
    _assert_failures_are_recorded(stack)
    await _assert_letters_are_on_the_topic(stack, letters)
    assert [row for row in letters.values() if row[0] == "internal_error"] == []
    await _assert_a_batch_of_nothing_but_bad_records_is_passed(stack)


GOOD = 12
GOOD_SESSIONS = 3


def good(number: int) -> Hostile:
    session = f"session-{number % GOOD_SESSIONS}"
    trace_id = f"good-{number}"
    return Hostile(trace_id, Topics.TRACES, orjson.dumps(native(trace_id, session_id=session)), key=trace_id.encode())


def good_spans(number: int) -> Hostile:
    trace_id = f"{0xC000 + number:032x}"
    texts = {
        "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"hello"}]}]',
        "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"hi"}]}]',
    }
    spans = [otlp_span(trace_id, 1, **texts), otlp_span(trace_id, 2, parent=1, **texts)]
    return Hostile(trace_id, Topics.OTLP_SPANS, otlp(*spans), key=trace_id.encode())


def _with_good_between(bad: list[Hostile]) -> list[Hostile]:
    """Good traces before, between and after; and those that a user's callable stumbles over."""
    found: list[Hostile] = []
    step = len(bad) // (GOOD - 2)
    for number in range(GOOD):
        found += [good(number), good_spans(number), *bad[number * step : (number + 1) * step]]
    found += bad[GOOD * step :]
    found += [Hostile(name, Topics.TRACES, orjson.dumps(native(name))) for name in FAILURES]
    leaky = b'{"trace_id": "leaky", "spans": "' + SECRET.encode() + b'"}'
    catastrophe = native("slow", span("a", output_messages=[{"role": "assistant", "content": "x" * 100_000}]))
    return [
        *found,
        Hostile("leaky", Topics.TRACES, leaky, ("wrong_type",)),
        Hostile("slow", Topics.TRACES, orjson.dumps(catastrophe)),
        Hostile("feedback", Topics.FEEDBACK, b'{"trace_id": "good-0", "score": 0.25, "author": "somebody"}'),
        good(GOOD),
        good_spans(GOOD),
    ]


def _disagreements(records: list[Hostile], places: list[Place], letters: dict[Place, Any]) -> list[str]:
    """What did not come out as it should."""
    found = []
    for record, place in zip(records, places, strict=True):
        reason = letters[place][0] if place in letters else None
        if record.reasons and "*" not in record.reasons and reason not in record.reasons:
            found.append(f"{record.topic}: {record.name}: {reason} and not {record.reasons}")
        if not record.reasons and reason is not None:
            found.append(f"{record.topic}: {record.name}: {reason}: {letters[place][1]}")
    return found


def _assert_good_traces_are_decided(stack: Stack, last: int) -> None:
    decided: dict[str, dict[str, tuple[str, int]]] = defaultdict(dict)
    for trace_id, evaluator, status, _, count in stack.sql(DECISIONS):
        decided[trace_id][evaluator] = (status, count)
    for number in range(last + 1):
        for trace_id, spans in ((f"good-{number}", 1), (f"{0xC000 + number:032x}", 2)):
            found = {name: value for name, value in decided[trace_id].items() if name != "conversation"}
            assert found == {
                "catastrophe": ("scored", 1),
                "short": ("scored", 1),
                "latency": ("scored", spans),
                "own": ("scored", 1),
                "helpful": ("failed", 1),
            }, f"{trace_id}\n{stack.logs()}"
    sessions = stack.sql("SELECT session_id FROM v_scores_current WHERE evaluator = 'conversation'")
    assert {f"session-{n}" for n in range(GOOD_SESSIONS)} <= {row[0] for row in sessions}
    assert stack.sql("SELECT value FROM scores WHERE kind = 'human' AND trace_id = 'good-0'") == [(0.25,)]


def _assert_odd_traces_are_stored(stack: Stack) -> None:
    counts = dict(stack.sql("SELECT trace_id, count(*) FROM v_spans GROUP BY 1"))
    odd = {"cycle": 3, "rootless": 1, "copies": 1, "future": 1, "last": 1, "past": 1, "big": 2, "misled": 1, "epoch": 1}
    for number, spans in ((0xB1, 1), (0xB2, 2), (0xB3, 1), (0xB4, 5), (0xB5, 10), (0xB6, 1), (0xB8, 1)):
        odd[f"{number:032x}"] = spans
    assert {trace_id: counts.get(trace_id) for trace_id in odd} == odd, stack.logs()
    [(kept,)] = stack.sql("SELECT name FROM v_spans WHERE trace_id = 'copies'")
    assert kept == "two", "of conflicting copies the one that ended last is shown"
    cut = dict(stack.sql(f"SELECT truncated, count(*) FROM v_spans WHERE trace_id = '{0xB4:032x}' GROUP BY 1"))
    assert {bool(truncated): count for truncated, count in cut.items()} == {True: 1, False: 4}
    [(latest,)] = stack.sql("SELECT max(event_time) FROM scores WHERE trace_id IN ('future', 'last')")
    assert str(latest) < "2190", "a time from the future is brought back to that of the record"


def _assert_failures_are_recorded(stack: Stack) -> None:
    found = {row[0]: (row[2], row[3]) for row in stack.sql(DECISIONS) if row[1] == "own"}
    for trace_id, errors in FAILURES.items():
        assert found[trace_id][0] == "failed" and found[trace_id][1] in errors, (trace_id, found[trace_id])
    assert ("slow", "catastrophe", "scored", None, 1) in stack.sql(DECISIONS)
    judged = stack.sql(
        "SELECT DISTINCT status, error_type FROM scores WHERE evaluator = 'helpful' AND trace_id LIKE 'good%'"
    )
    assert judged == [("failed", "APIConnectionError")], "a wrong base_url is a failed decision, on record"


async def _assert_a_batch_of_nothing_but_bad_records_is_passed(stack: Stack) -> None:
    """Or the commit would be ahead of the warehouse, which means that it was restored from a copy."""
    topics = (Topics.TRACES, Topics.FEEDBACK, Topics.JUDGE_REQUESTS)
    bad = [Hostile(f"bad-{n}", topic, b"{") for n in range(4) for topic in topics]
    places = await write(stack, bad)
    stack.settle()
    positions = {(t, p): n for t, p, n in stack.sql('SELECT topic, "partition", next_offset FROM positions')}
    assert {place: positions[place.topic, place.partition] > place.offset for place in places} == dict.fromkeys(
        places, True
    )


async def _assert_letters_are_on_the_topic(stack: Stack, letters: dict[Place, Any]) -> None:
    published = [DeadLetter.from_bytes(record.value) for record in await read_all(stack, Topics.DEAD_LETTERS)]
    by_place = {Place(*_where(letter)): letter for letter in published}
    assert by_place.keys() == letters.keys()
    for place, (reason, detail, digest, payload) in letters.items():
        letter = by_place[place]
        assert (letter.reason, letter.digest, letter.payload) == (reason, digest, payload) and detail and digest
        assert len(letter.payload or "") <= 4 * MEGABYTE
    leaky = [b64decode(letter.payload or "") for letter in published if b"leaky" in b64decode(letter.payload or "")]
    assert len(leaky) == 1 and SECRET.encode() not in leaky[0] and b"[EMAIL:" in leaky[0]


def _where(letter: DeadLetter) -> tuple[str, int, int]:
    return letter.source.topic, letter.source.partition, letter.source.offset
