"""Joining traces: no order, no repetition and no grouping of what arrives changes the result."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.ids import fingerprint
from schemas.merge import REPEATED_USAGE, merge_traces, with_digests
from schemas.native import read_trace
from schemas.otlp import TraceFragment, assemble, decode, raw_split
from schemas.trace import Span, Trace
from tests.schemas.recorded import (
    EXAMPLES,
    HASHER,
    instrumented_records,
    instrumented_traces,
    lines,
    needs_instrumented,
    whole,
)

DEFAULTS = {"default_project": "p", "default_environment": "e"}
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def _pieces(record: bytes, count: int, seed: int) -> list[TraceFragment]:
    """A record cut into records of some spans each, decoded apart."""
    document = orjson.loads(record)
    spans = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
    random.Random(seed).shuffle(spans)
    found = []
    for i in range(count):
        part = spans[i::count]
        if part:
            document["resourceSpans"][0]["scopeSpans"][0]["spans"] = part
            found += decode(orjson.dumps(document), HASHER)
    return found


@pytest.fixture(scope="module")
def record() -> bytes:
    return min(lines(EXAMPLES / "airline.otlp.jsonl.gz"), key=len)


@given(count=st.integers(1, 8), seed=st.integers(0, 1000), extra=st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_fragments_in_any_order_give_the_same_trace(record: bytes, count: int, seed: int, extra: int) -> None:
    pieces = _pieces(record, count, seed)
    order = random.Random(seed + 1)
    again = pieces + [order.choice(pieces) for _ in range(extra)]
    order.shuffle(again)
    expected = whole(decode(record, HASHER))
    assert whole(again) == expected
    assert whole(again).to_bytes() == expected.to_bytes()
    traces = [whole([piece]) for piece in again]
    merged = traces[0]
    for trace in traces[1:]:
        merged = merge_traces(merged, trace)
    assert merged == expected


@needs_instrumented
def test_records_of_real_clients_in_any_order() -> None:
    for client, conversation in list(instrumented_records())[::5]:
        for trace in instrumented_traces(client, conversation):
            fragments = [
                fragment
                for record in instrumented_records()[client, conversation]
                for part in raw_split(record).values()
                for fragment in decode(part, HASHER)
                if fragment.trace_id == trace.trace_id
            ]
            assert whole(fragments[::-1]) == trace
            merged = whole(fragments[:1])
            for fragment in fragments[::-1]:
                merged = merge_traces(whole([fragment]), merged)
            assert merged == trace


def _spans() -> st.SearchStrategy[Span]:
    return st.builds(
        lambda number, version, parent, end, kind, tokens, attributes: Span(
            span_id=f"s{number}",
            parent_id=parent,
            name=f"n{version}",
            kind=kind,
            digest=f"{number}-{version}",
            start=BEGIN,
            end=BEGIN + timedelta(seconds=end),
            usage={"input_tokens": tokens} if tokens and kind == "llm" else None,
            attributes=attributes,
            tool_name="t" if kind == "tool" else None,
        ),
        st.integers(0, 4),
        st.integers(0, 2),
        st.sampled_from([None, "s0", "s1", "s2", "s3", "gone"]),
        st.integers(0, 2),
        st.sampled_from(["llm", "llm", "agent", "tool"]),
        st.integers(0, 3),
        st.dictionaries(st.sampled_from(["session.id", "user.id"]), st.sampled_from(["a", "b"]), max_size=2),
    )


@st.composite
def _families(draw: Any) -> list[Trace]:
    """Traces of one id; a (span id, digest) stands for the same span in all of them, as digests of contents do."""
    pool: dict[str, Span] = {}
    for span in draw(st.lists(_spans(), min_size=1, max_size=10)):
        pool.setdefault(span.digest, span)
    traces = []
    for _ in range(3):
        chosen = draw(st.lists(st.sampled_from(list(pool.values())), min_size=1, max_size=6))
        resource = draw(
            st.dictionaries(st.sampled_from(["service.name", "k"]), st.sampled_from(["x", "y"]), max_size=2)
        )
        fragments = [TraceFragment("t", tuple(chosen), {}, {}, resource)]
        incomplete, partial = draw(st.booleans()), draw(st.booleans())
        traces.append(assemble(fragments, **DEFAULTS, incomplete=incomplete, partial=partial))
    return traces


def _shown(trace: Trace) -> Trace:
    """Without what a join cannot know: the versions that lost."""
    return with_digests(trace, [(span.span_id, span.digest) for span in trace.spans])


@given(_families())
@settings(max_examples=300, deadline=None)
def test_joining_is_commutative_associative_and_idempotent(traces: list[Trace]) -> None:
    a, b, c = map(_shown, traces)
    assert merge_traces(a, b) == merge_traces(b, a)
    assert merge_traces(merge_traces(a, b), c) == merge_traces(a, merge_traces(b, c))
    assert merge_traces(a, a) == a
    assert merge_traces(merge_traces(a, b), b) == merge_traces(a, b)


def _span(**fields: Any) -> Span:
    return Span(**{"span_id": "s", "name": "n", "start": BEGIN, "end": BEGIN, "digest": "d", **fields})


def _trace(*spans: Span, **resource: Any) -> Trace:
    return assemble([TraceFragment("t", spans, {}, {}, resource)], **DEFAULTS)


def test_of_several_versions_the_one_that_ended_last_is_shown_and_all_count() -> None:
    early = _span(digest="z", name="early")
    late = _span(digest="a", name="late", end=BEGIN + timedelta(seconds=1))
    tied = _span(digest="b", name="tied", end=BEGIN + timedelta(seconds=1))
    trace = _trace(early, late, tied, late)
    assert [span.name for span in trace.spans] == ["tied"]
    assert trace.revision == 3
    assert trace.fingerprint == fingerprint([("s", "z"), ("s", "a"), ("s", "b")])
    merged = merge_traces(_trace(early), _trace(late))
    assert merged.revision == 1
    assert with_digests(merged, [("s", "z"), ("s", "a")]).revision == 2


def test_tokens_return_when_the_inner_call_loses_them() -> None:
    outer = _span(span_id="o", kind="llm", usage={"input_tokens": 5})
    inner = _span(span_id="i", parent_id="o", kind="llm", usage={"input_tokens": 5})
    merged = merge_traces(_trace(outer), _trace(inner))
    assert merged.by_id["o"].usage is None
    assert merged.by_id["o"].attributes[REPEATED_USAGE] == {"input_tokens": 5}
    without = _span(span_id="i", parent_id="o", kind="llm", digest="e", end=BEGIN + timedelta(seconds=1))
    again = merge_traces(merged, _trace(without))
    assert again.by_id["o"].usage == outer.usage
    assert REPEATED_USAGE not in again.by_id["o"].attributes


def test_the_root_names_the_session() -> None:
    root = _span(span_id="r", attributes={"session.id": "root's"})
    child = _span(span_id="a", parent_id="r", attributes={"session.id": "child's", "user.id": "u"})
    trace = _trace(child, root)
    assert (trace.session_id, trace.user_id) == ("root's", "u")
    assert merge_traces(_trace(child), _trace(root)).session_id == "root's"
    assert merge_traces(_trace(child), _trace(_span(span_id="r"))).session_id == "child's"


def test_project_and_environment_come_from_the_resource() -> None:
    names = {"service.name": "svc", "deployment.environment": "old", "deployment.environment.name": "new"}
    assert (_trace(_span(), **names).project, _trace(_span(), **names).environment) == ("svc", "new")
    named = _trace(_span(), **{**names, "evalstream.project": "mine", "openinference.project.name": "oi"})
    assert named.project == "mine"
    assert (_trace(_span()).project, _trace(_span()).environment) == ("p", "e")
    assert merge_traces(_trace(_span()), _trace(_span(), **names)).project == "svc"


def test_flags_hold_where_both_say_so() -> None:
    fragment = TraceFragment("t", (_span(),), {}, {}, {})
    cut = assemble([fragment], **DEFAULTS, incomplete=True, partial=True)
    full = assemble([fragment], **DEFAULTS)
    assert merge_traces(cut, cut).incomplete and merge_traces(cut, cut).partial
    assert not merge_traces(cut, full).incomplete and not merge_traces(full, cut).partial


def test_fragments_of_two_traces_are_a_fault_of_the_caller() -> None:
    one, two = TraceFragment("1", (_span(),), {}, {}, {}), TraceFragment("2", (_span(),), {}, {}, {})
    for fragments in ([], [one, two]):
        with pytest.raises(ValueError, match="exactly one trace"):
            assemble(fragments, **DEFAULTS)


def test_a_trace_of_nothing_but_cycles() -> None:
    spans = (
        _span(span_id="a", parent_id="b", kind="llm", usage={"input_tokens": 1}),
        _span(span_id="b", parent_id="a"),
    )
    trace = _trace(*spans, _span(span_id="c", parent_id="c", kind="llm", usage={"input_tokens": 1}))
    assert trace.root is not None
    assert merge_traces(trace, trace) == trace
    assert read_trace(trace.to_bytes(), HASHER, **DEFAULTS) == trace


def test_a_deep_chain_of_calls_takes_bounded_time() -> None:
    spans = [
        _span(span_id=str(i), parent_id=str(i - 1) if i else None, kind="llm", usage={"input_tokens": 1})
        for i in range(5000)
    ]
    trace = _trace(*spans)
    assert sum(span.usage is not None for span in trace.spans) == 1
