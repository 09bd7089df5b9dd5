"""The recorded runs that are delivered with the code, and their larger set where it is at hand."""

from __future__ import annotations

import orjson
import pytest

from schemas.native import read_trace
from schemas.otlp import decode
from schemas.trace import Trace
from tests.schemas.recorded import EXAMPLES, HASHER, SHARED, lines, needs_shared, whole

DEFAULTS = {"default_project": "project", "default_environment": "environment"}


@pytest.mark.parametrize("name", ["airline", "airline_faulty"])
def test_forty_runs(name: str) -> None:
    traces = [whole(decode(line, HASHER)) for line in lines(EXAMPLES / f"{name}.otlp.jsonl.gz")]
    assert len({trace.trace_id for trace in traces}) == len(traces) == 40
    for trace in traces:
        assert trace.project == "airline-agent" and trace.environment == "production"
        assert {span.kind for span in trace.spans} <= {"agent", "llm", "tool"}
        assert trace.root is not None and trace.root.kind == "agent"
        assert all(span.usage and span.tool_set for span in trace.spans if span.kind == "llm")
        assert Trace.from_bytes(trace.to_bytes()) == trace == read_trace(trace.to_bytes(), HASHER, **DEFAULTS)


def test_labels_of_faults_point_at_spans() -> None:
    traces = {}
    for line in lines(EXAMPLES / "airline_faulty.otlp.jsonl.gz"):
        trace = whole(decode(line, HASHER))
        traces[trace.trace_id] = trace
    labels = [orjson.loads(line) for line in (EXAMPLES / "airline_faulty.labels.jsonl").read_bytes().splitlines()]
    assert len(labels) == 40
    assert all(label["span_id"] in traces[label["trace_id"]].by_id for label in labels)


def test_a_truncated_result_stays_visible_as_text() -> None:
    labels = [orjson.loads(line) for line in (EXAMPLES / "airline_faulty.labels.jsonl").read_bytes().splitlines()]
    cut = {label["trace_id"]: label["span_id"] for label in labels if label["fault"] == "truncated_json"}
    found = 0
    for line in lines(EXAMPLES / "airline_faulty.otlp.jsonl.gz"):
        trace = whole(decode(line, HASHER))
        if trace.trace_id in cut:
            result = trace.by_id[cut[trace.trace_id]].result
            assert isinstance(result, str)
            with pytest.raises(orjson.JSONDecodeError):
                orjson.loads(result)
            found += 1
    assert found == len(cut) > 0


@needs_shared
def test_a_megabyte_of_repeated_messages_becomes_small() -> None:
    largest = max(lines(SHARED / "airline_dev.otlp.jsonl.gz"), key=len)
    assert len(largest) > 1_100_000
    assert len(whole(decode(largest, HASHER)).to_bytes()) < 150_000


@needs_shared
def test_all_runs_survive_their_own_bytes() -> None:
    count = 0
    for name in ("airline_dev", "airline_dev_faults", "airline_dev_openinference"):
        for line in lines(SHARED / f"{name}.otlp.jsonl.gz"):
            trace = whole(decode(line, HASHER))
            assert Trace.from_bytes(trace.to_bytes()) == trace
            assert read_trace(trace.to_bytes(), HASHER, **DEFAULTS) == trace
            count += 1
    assert count == 268


@needs_shared
def test_openinference_twins_say_the_same() -> None:
    """The same runs in another dialect: equal messages (by digest), tool calls, arguments and results."""
    genai = {}
    for line in lines(SHARED / "airline_dev.otlp.jsonl.gz"):
        trace = whole(decode(line, HASHER))
        genai[_conversation(trace)] = trace
    compared = 0
    for line in lines(SHARED / "airline_dev_openinference.otlp.jsonl.gz"):
        trace = whole(decode(line, HASHER))
        twin = genai[_conversation(trace)]
        assert _tools(trace) == _tools(twin)
        theirs = [s for s in twin.spans if s.kind == "llm"]
        for ours, other in zip([s for s in trace.spans if s.kind == "llm"], theirs, strict=True):
            assert ours.input_messages == other.input_messages
            assert ours.output_messages == other.output_messages
            assert ours.tool_set == other.tool_set
            assert ours.usage == other.usage
            assert ours.response_model == other.response_model
            assert ours.prompt_version == other.prompt_version
        compared += 1
    assert compared == 12


def _conversation(trace: Trace) -> tuple[str, ...]:
    last = [span for span in trace.spans if span.kind == "llm"][-1]
    return last.input_messages + last.output_messages


def _tools(trace: Trace) -> list[tuple[object, ...]]:
    return [(s.tool_name, s.tool_call_id, s.arguments, s.result) for s in trace.spans if s.kind == "tool"]
