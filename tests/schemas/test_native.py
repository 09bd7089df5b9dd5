"""Native traces: the friendly form, our own records, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import InvalidRecord
from schemas.merge import merge_traces
from schemas.native import read_trace
from schemas.otlp import decode
from schemas.trace import Span, Trace
from tests.schemas.recorded import EXAMPLES, HASHER, lines, whole

DEFAULTS = {"default_project": "p", "default_environment": "e"}
SPAN = {"span_id": "1", "name": "chat", "start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:00:01Z"}


def read(body: Any) -> Trace:
    return read_trace(body if isinstance(body, bytes) else orjson.dumps(body), HASHER, **DEFAULTS)


def trace_of(**span: Any) -> Trace:
    return read({"trace_id": "t", "spans": [{**SPAN, **span}]})


def refused(body: Any) -> InvalidRecord:
    with pytest.raises(InvalidRecord) as caught:
        read(body)
    return caught.value


def test_the_friendly_form() -> None:
    call = {"role": "assistant", "tool_calls": [{"id": "c", "name": "f", "arguments": {"a": 1}}]}
    trace = trace_of(
        kind="llm",
        input_messages=[{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}],
        output_messages=[call],
        tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        usage={"input_tokens": 3, "output_tokens": 4},
        finish_reasons=["tool_calls"],
    )
    (span,) = trace.spans
    assert [(m.role, m.content) for m in trace.inputs(span)] == [("system", "Be kind."), ("user", "Hi")]
    (answer,) = trace.outputs(span)
    assert (answer.tool_calls[0].name, answer.tool_calls[0].arguments, answer.tool_calls[0].id) == ("f", {"a": 1}, "c")
    assert trace.tools(span) == ({"name": "f", "parameters": {"type": "object"}},)
    assert span.digest and trace.fingerprint and trace.revision == 1
    assert (trace.project, trace.environment) == ("p", "e")
    assert read(trace.to_bytes()) == trace


def test_equal_content_has_equal_digests_in_every_form() -> None:
    otlp = next(lines(EXAMPLES / "airline.otlp.jsonl.gz"))
    trace = whole(decode(otlp, HASHER))
    for message in trace.messages.values():
        plain = message.model_dump(mode="json", exclude={"digest"}, exclude_defaults=True)
        (found,) = trace_of(input_messages=[plain]).messages
        assert found == message.digest


def test_text_alone_is_a_message() -> None:
    trace = trace_of(kind="agent", input_messages="Hi", output_messages=["digest-of-one-not-here"])
    assert [(m.role, m.content) for m in trace.inputs(trace.spans[0])] == [("user", "Hi")]
    assert list(trace.outputs(trace.spans[0])) == []


@pytest.mark.parametrize(
    "start",
    ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00", 1767225600, 1767225600.0,
     1767225600000, 1767225600000000, 1767225600000000000],
)  # fmt: skip
def test_times(start: Any) -> None:
    assert trace_of(start=start).spans[0].start == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("start", [1e300, -1, 9 * 10**18, "9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00Z"])
def test_odd_times_are_clamped(start: Any) -> None:
    span = trace_of(start=start, end=start).spans[0]
    assert span.end >= span.start
    assert Trace.from_bytes(trace_of(start=start, end=start).to_bytes())


def test_an_end_before_its_start_and_none_at_all() -> None:
    assert trace_of(end="2025-01-01T00:00:00Z").spans[0].duration_s == 0
    span = {name: value for name, value in SPAN.items() if name != "end"}
    assert read({"trace_id": "t", "spans": [span]}).spans[0].duration_s == 0


def test_what_a_record_says_of_itself_survives_a_join() -> None:
    trace = read(
        {
            "trace_id": "t",
            "project": "mine",
            "environment": "test",
            "session_id": "s",
            "user_id": "u",
            "resource": {"service.name": "other"},
            "spans": [{**SPAN, "attributes": {"session.id": "different"}}],
        }
    )
    found = (trace.project, trace.environment, trace.session_id, trace.user_id)
    assert found == ("mine", "test", "s", "u")
    assert read(trace.to_bytes()) == trace == merge_traces(trace, trace)
    other = trace_of(span_id="2", parent_id="1")
    assert merge_traces(trace, other).session_id == "s"


def test_digests_in_the_record_are_kept_and_the_fingerprint_is_not() -> None:
    body = {"trace_id": "t", "fingerprint": "forged", "revision": 99, "spans": [{**SPAN, "digest": "d"}]}
    trace = read(body)
    assert trace.spans[0].digest == "d"
    assert trace.fingerprint != "forged" and trace.revision == 1


def test_conflicting_copies_of_a_span() -> None:
    later = {**SPAN, "end": "2026-01-01T00:00:09Z", "name": "later"}
    trace = read({"trace_id": "t", "spans": [later, SPAN]})
    assert [span.name for span in trace.spans] == ["later"]
    assert trace.revision == 2
    assert read({"trace_id": "t", "spans": [SPAN, later, SPAN]}) == trace


def test_cycles_and_orphans_are_accepted() -> None:
    spans = [
        {**SPAN, "parent_id": "2"},
        {**SPAN, "span_id": "2", "parent_id": "1"},
        {**SPAN, "span_id": "3", "parent_id": "x"},
    ]
    assert len(read({"trace_id": "t", "spans": spans}).spans) == 3


@pytest.mark.parametrize(
    ("body", "reason", "place"),
    [
        (b"{", "undecodable", ""),
        (b"\xff", "undecodable", ""),
        (b"[]", "wrong_type", "record"),
        ({"trace_id": "t", "spans": []}, "empty_trace", "spans"),
        ({"trace_id": "t"}, "empty_trace", "spans"),
        ({"trace_id": "", "spans": [SPAN]}, "wrong_type", "trace_id"),
        ({"spans": [SPAN]}, "wrong_type", "trace_id"),
        ({"trace_id": 7, "spans": [SPAN]}, "wrong_type", "trace_id"),
        ({"trace_id": "t", "spans": SPAN}, "wrong_type", "spans"),
        ({"trace_id": "t", "spans": [1]}, "wrong_type", "spans[0]"),
        ({"trace_id": "t", "sapns": [SPAN]}, "wrong_type", "sapns"),
        ({"trace_id": "t", "spans": [{**SPAN, "colour": "red"}]}, "wrong_type", "spans[0]: not a valid Span: colour"),
        ({"trace_id": "t", "spans": [{**SPAN, "kind": "dream"}]}, "wrong_type", "spans[0]"),
        ({"trace_id": "t", "spans": [{**SPAN, "start": "soon"}]}, "wrong_type", "spans[0].start"),
        ({"trace_id": "t", "spans": [{"span_id": "1"}]}, "wrong_type", "spans[0].start"),
        ({"trace_id": "t", "spans": [{**SPAN, "span_id": None}]}, "wrong_type", "spans[0]"),
        ({"trace_id": "t", "spans": [{**SPAN, "input_messages": [3]}]}, "wrong_type", "spans[0].input_messages[0]"),
        ({"trace_id": "t", "spans": [{**SPAN, "input_messages": {}}]}, "wrong_type", "spans[0].input_messages"),
        ({"trace_id": "t", "spans": [{**SPAN, "tools": [{}]}]}, "wrong_type", "spans[0].tools"),
        ({"trace_id": "t", "spans": [SPAN], "messages": {"d": {"role": "robot"}}}, "wrong_type", "messages.d"),
        ({"trace_id": "t", "spans": [SPAN], "schema_version": 2}, "wrong_type", "schema_version"),
        (b'{"trace_id":"t","spans":' + b"[" * 5000 + b"]" * 5000 + b"}", "too_deep", ""),
        (b'{"trace_id":"t","spans":[{"a":' + b"[" * 150 + b"]" * 150 + b"}]}", "too_deep", ""),
    ],
)  # fmt: skip
def test_what_is_refused_and_where(body: Any, reason: str, place: str) -> None:
    error = refused(body)
    assert error.reason == reason
    assert place in error.detail


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from([*sorted(Span.model_fields), "tools", "other"])


@given(
    span=st.dictionaries(FIELDS, VALUES, max_size=5),
    extra=st.dictionaries(st.sampled_from(sorted(Trace.model_fields)), VALUES, max_size=3),
)
@settings(max_examples=400, deadline=None)
def test_any_value_in_any_field(span: dict[str, Any], extra: dict[str, Any]) -> None:
    try:
        trace = read({"trace_id": "t", "spans": [{**SPAN, **span}], **extra})
    except InvalidRecord:
        return
    assert Trace.from_bytes(trace.to_bytes()) == trace
    assert read(trace.to_bytes()) == trace


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_random_bytes(data: bytes) -> None:
    with pytest.raises(InvalidRecord):
        read(data)


@pytest.mark.parametrize("bad", ["x" * 257, "📦" * 200, "a\x00b", "a\nb"])
@pytest.mark.parametrize("where", ["trace_id", "span_id", "digest"])
def test_ids_that_cannot_be_keys_are_refused(bad: str, where: str) -> None:
    body = {"trace_id": "t", "spans": [{"span_id": "1", "start": 0}]}
    (body if where == "trace_id" else body["spans"][0])[where] = bad  # type: ignore[index]
    with pytest.raises(InvalidRecord, match=where) as refused:
        read_trace(orjson.dumps(body), HASHER, default_project="p", default_environment="e")
    assert refused.value.reason == "wrong_type"


def test_names_that_cannot_be_keys_are_shortened() -> None:
    body = {"trace_id": "t", "spans": [{"span_id": "1", "start": 0}], "session_id": "s" * 10_000, "project": "a\x00b"}
    trace = read_trace(orjson.dumps(body), HASHER, default_project="p", default_environment="e")
    assert trace.session_id is not None and len(trace.session_id) == 256 and trace.project == "a\ufffdb"
    again = read_trace(trace.to_bytes(), HASHER, default_project="p", default_environment="e")
    assert (again.session_id, again.project, again.fingerprint) == (trace.session_id, trace.project, trace.fingerprint)
    other = read_trace(
        orjson.dumps({**body, "session_id": "s" * 9_999}), HASHER, default_project="p", default_environment="e"
    )
    assert other.session_id != trace.session_id


def test_a_time_that_is_out_of_range_in_utc_is_refused() -> None:
    events = [{"name": "x", "time": "9999-12-31T23:59:59-05:00"}]
    body = {"trace_id": "t", "spans": [{"span_id": "1", "start": 0, "events": events}]}
    with pytest.raises(InvalidRecord) as refused:
        read_trace(orjson.dumps(body), HASHER, default_project="p", default_environment="e")
    assert refused.value.reason == "wrong_type"
