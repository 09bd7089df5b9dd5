"""The Collector with our settings, in its four forms: the same traces and decisions whatever the form."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any, get_args

import pytest
from aiokafka import AIOKafkaConsumer

from schemas.ids import Hasher
from schemas.otlp import decode
from schemas.settings import Topics
from tests.e2e.collector import Encoding
from tests.e2e.conftest import MakeCollector, MakeStack
from tests.e2e.exports import PIECES, Run, export, recorded_runs
from tests.e2e.stack import Stack

CONFIG = """\
project: unnamed
environment: production
kafka: {session_timeout_s: 6, partitions: 4}
assemble: {quiet_s: 1.0, rootless_quiet_s: 4.0}
sessions: {quiet_s: 2.0}
evaluators:
  - {type: tool_error_as_success}
  - {type: unknown_tool}
  - {type: tool_call_schema_valid}
  - {type: latency, span_kinds: [llm, tool], options: {max_s: 30}}
  - {type: tokens, target: trace}
  - {type: refusal, target: trace}
  - {type: llm_judge, name: helpful, target: trace, options: {rubric: helpfulness}}
judge: {model: scripted-judge}
"""
FORMS = {
    f"{number}{number}{number}{number}": (encoding, partitioned)
    for number, (encoding, partitioned) in enumerate(((e, p) for e in get_args(Encoding) for p in (True, False)), 1)
}
ROOTLESS = "5555"
RUNS = 8
TRACES = "SELECT trace_id, fingerprint, revision, project, incomplete, partial FROM traces ORDER BY trace_id"
SPANS = "SELECT trace_id, span_id, digest FROM spans ORDER BY 1, 2, 3"
DECISIONS = """
    SELECT trace_id, evaluator, coalesce(span_id, ''), status, value, label, passed, blamed_span_id, explanation
    FROM v_scores_current ORDER BY 1, 2, 3
"""

pytestmark = pytest.mark.timeout(300)


async def test_the_form_of_records_changes_nothing(
    new_stack: MakeStack, new_collector: MakeCollector, airline: Path
) -> None:
    runs = recorded_runs(airline, RUNS)
    stack = new_stack(CONFIG)
    stack.start_judge()
    stack.start()
    stack.ready()
    collectors = {prefix: new_collector(stack, *form) for prefix, form in FORMS.items()}
    sent = {prefix: [run.renamed(prefix) for run in runs] for prefix in FORMS}
    rootless = [run.renamed(ROOTLESS).without_root() for run in runs[:2]]
    export([(collectors["2222"], rootless), *((collectors[prefix], sent[prefix]) for prefix in FORMS)])
    everything = [run for some in sent.values() for run in some] + rootless
    stack.until(lambda: stack.counts()["traces"] == len(everything), "not every trace arrives")
    stack.settle()

    _check_records(await read_all(stack, Topics.OTLP_SPANS), await read_all(stack, Topics.OTLP_SPANS_BY_TRACE))
    found = {what: _rows(stack, what) for what in (TRACES, SPANS, DECISIONS)}
    assert {row[0]: row[2] for row in found[TRACES]} == {run.trace_id: len(run.spans) for run in everything}
    assert not any(row[4] or row[5] for row in found[TRACES]), "a trace is whole, with or without a root"
    assert found == _as_from_a_file(stack, everything)
    by_form = _by_form(found[DECISIONS])
    assert len(by_form["1111"]) > RUNS * 10
    assert all(by_form[prefix] == by_form["1111"] for prefix in FORMS)
    assert any(row[0].startswith(ROOTLESS) for row in found[DECISIONS])
    assert stack.counts()["dead_letters"] == 0

    before = stack.counts()
    export([(collectors[other], sent[prefix]) for prefix, other in zip(FORMS, reversed(FORMS), strict=True)])
    stack.settle()
    assert stack.counts() == before, "the same spans in another form are other spans"
    assert {what: _rows(stack, what) for what in (TRACES, SPANS, DECISIONS)} == found
    assert not [line for collector in collectors.values() for line in collector.complaints()]


async def read_all(stack: Stack, topic: str) -> list[Any]:
    """All records of a topic so far."""
    consumer = AIOKafkaConsumer(
        stack.topic(topic),
        bootstrap_servers=stack.bootstrap_servers,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=16 * 2**20,
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        found: list[Any] = []
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += records
        return found
    finally:
        await consumer.stop()


def _check_records(records: list[Any], split: list[Any]) -> None:
    """The records are what the forms promise; otherwise the test tests less than it says."""
    hasher = Hasher(b"any")
    places: dict[str, list[tuple[int, bool]]] = defaultdict(list)
    seen: dict[str, set[tuple[bool, bool, bool]]] = defaultdict(set)
    for record in records:
        fragments = decode(record.value, hasher)
        assert fragments
        form = (record.value[:1] == b"{", record.key is not None, len(fragments) > 1)
        for fragment in fragments:
            assert record.key in (None, fragment.trace_id.encode())
            seen[fragment.trace_id[:4]].add(form)
            has_root = any(span.parent_id is None for span in fragment.spans)
            places[fragment.trace_id].append((record.timestamp, has_root))
    assert seen["1111"] == {(False, True, False)} and seen["3333"] == {(True, True, False)}
    assert (False, False, True) in seen["2222"] and (True, False, True) in seen["4444"], "no record with several traces"
    assert not any(key for prefix in ("2222", "4444", ROOTLESS) for _, key, _ in seen[prefix])
    assert all(len(pieces) >= PIECES - 1 for pieces in places.values()), "a trace comes in several records"
    roots = {trace_id: [root for _, root in sorted(pieces)] for trace_id, pieces in places.items()}
    assert all(r[-1] and not any(r[:-1]) for t, r in roots.items() if not t.startswith(ROOTLESS)), "the root comes last"
    assert not any(any(found) for trace_id, found in roots.items() if trace_id.startswith(ROOTLESS))
    assert {record.key.decode()[:4] for record in split} == {"2222", "4444", ROOTLESS}


def _rows(stack: Stack, query: str) -> list[tuple[Any, ...]]:
    return [tuple(round(v, 9) if isinstance(v, float) else _plain(v) for v in row) for row in stack.sql(query)]


def _plain(value: Any) -> Any:
    """Databases differ in how they give a truth value."""
    return int(value) if isinstance(value, bool) else value


def _as_from_a_file(stack: Stack, runs: list[Run]) -> dict[str, list[tuple[Any, ...]]]:
    """What `evalstream run` makes of the same spans, whole and in the order they were recorded."""
    offline = Stack(stack.folder / "offline", stack.bootstrap_servers, config=stack.config.read_text())
    offline.environment.update({k: v for k, v in stack.environment.items() if k.startswith("OPENAI")})
    file = offline.folder / "runs.otlp.jsonl"
    file.write_bytes(b"".join(run.line() for run in runs))
    offline.cli("run", str(file), "--judges", "--warehouse", offline.warehouse_url)
    found = {what: _rows(offline, what) for what in (TRACES, SPANS, DECISIONS)}
    offline.stop()
    return found


def _by_form(decisions: list[tuple[Any, ...]]) -> dict[str, list[tuple[Any, ...]]]:
    found: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for trace_id, *rest in decisions:
        found[trace_id[:4]].append((trace_id[4:], *rest))
    return found
