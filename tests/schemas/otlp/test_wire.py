"""From bytes to plain spans: both encodings alike, odd values, limits, and garbage."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from schemas.errors import InvalidRecord
from schemas.ids import Hasher
from schemas.otlp import decode, raw_split
from schemas.otlp.wire import read_spans
from tests.schemas.otlp.records import SPAN, TRACE, json_record, to_json
from tests.schemas.recorded import (
    EXAMPLES,
    HASHER,
    instrumented_records,
    lines,
    needs_instrumented,
    whole,
)


def _span(data: bytes, **kwargs: Any) -> Any:
    (span,) = read_spans(data, **kwargs)
    return span


def _reason(data: bytes, **kwargs: Any) -> str:
    with pytest.raises(InvalidRecord) as caught:
        list(read_spans(data, **kwargs))
    assert caught.value.detail
    return caught.value.reason


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


def _to_proto(value: Any) -> AnyValue:
    if value is None:
        return AnyValue()
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, list):
        made = AnyValue()
        made.array_value.SetInParent()
        made.array_value.values.extend(map(_to_proto, value))
        return made
    if isinstance(value, dict):
        made = AnyValue()
        made.kvlist_value.SetInParent()
        made.kvlist_value.values.extend(KeyValue(key=k, value=_to_proto(v)) for k, v in value.items())
        return made
    names = {int: "int_value", float: "double_value", str: "string_value", bytes: "bytes_value"}
    return AnyValue(**{names[type(value)]: value})


@given(attributes=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), VALUES, max_size=4))
def test_both_encodings_come_to_the_same_span_and_digest(attributes: dict[str, Any]) -> None:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name, span.kind = bytes.fromhex(TRACE), bytes.fromhex(SPAN), "s", 1
    span.start_time_unix_nano, span.end_time_unix_nano = 1700000000000000000, 1700000001000000000
    span.attributes.extend(KeyValue(key=k, value=_to_proto(v)) for k, v in attributes.items())
    of_proto = _span(request.SerializeToString())
    of_json = _span(json_record((k, to_json(v)) for k, v in attributes.items()))
    assert of_proto == of_json
    assert of_proto.digest(HASHER) == of_json.digest(HASHER)
    (again,) = (_span(part) for part in raw_split(orjson.dumps(orjson.loads(_json_of(attributes)))).values())
    assert again == of_json


def _json_of(attributes: dict[str, Any]) -> bytes:
    return json_record((k, to_json(v)) for k, v in attributes.items())


@pytest.mark.parametrize("name", ["airline", "airline_faulty"])
def test_recorded_traces_have_equal_digests_in_both_encodings(name: str) -> None:
    for line in lines(EXAMPLES / f"{name}.otlp.jsonl.gz"):
        ((trace_id, proto),) = raw_split(line).items()
        (fragment,) = decode(line, HASHER)
        assert decode(proto, HASHER) == [fragment]
        assert fragment.trace_id == trace_id


@needs_instrumented
def test_recorded_protobuf_survives_a_split() -> None:
    for records in instrumented_records().values():
        for record in records:
            spans = list(read_spans(record))
            parts = [span for part in raw_split(record).values() for span in read_spans(part)]
            assert parts == spans


def test_a_record_of_several_traces_is_split_by_trace() -> None:
    documents = [orjson.loads(line) for line in list(lines(EXAMPLES / "airline.otlp.jsonl.gz"))[:3]]
    spans = [d["resourceSpans"][0]["scopeSpans"][0]["spans"] for d in documents]
    documents[0]["resourceSpans"][0]["scopeSpans"][0]["spans"] = [
        s for triple in zip(*spans, strict=False) for s in triple
    ]
    mixed = orjson.dumps(documents[0])
    parts = raw_split(mixed)
    assert list(parts) == [fragment.trace_id for fragment in decode(mixed, HASHER)]
    for form in (mixed, _joined(parts)):
        again = raw_split(form)
        assert again.keys() == parts.keys()
        for trace_id, part in again.items():
            assert {span.trace_id for span in read_spans(part)} == {trace_id}
            assert decode(part, HASHER) == decode(parts[trace_id], HASHER)


def _joined(parts: dict[str, bytes]) -> bytes:
    return b"".join(parts.values())


def test_the_key_decides_the_digest() -> None:
    span = _span(json_record())
    assert span.digest(HASHER) != span.digest(Hasher(b"another"))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff\xff\xff", "undecodable"),
        (b"{", "undecodable"),
        (b'{"a": 1}', "not_otlp"),
        (b"[]", "undecodable"),
        (b'{"resourceLogs": []}', "not_otlp"),
        (b'{"resourceSpans": 1}', "wrong_type"),
        (b'{"resourceSpans": [1]}', "wrong_type"),
        (json_record(traceId="0" * 32), "bad_id"),
        (json_record(spanId="0" * 16), "bad_id"),
        (json_record(traceId="xyz"), "bad_id"),
        (json_record(spanId=None), "bad_id"),
        (json_record(name=1), "wrong_type"),
        (json_record(kind="LOUD"), "wrong_type"),
        (json_record(startTimeUnixNano="soon"), "wrong_type"),
        (json_record([("a", {"intValue": "1" * 5000})]), "wrong_type"),
        (json_record([("a", {"intValue": True})]), "wrong_type"),
        (json_record([("a", {"doubleValue": "much"})]), "wrong_type"),
        (json_record([("a", {"bytesValue": "%%"})]), "wrong_type"),
        (json_record([("a", {"bytesValue": "é"})]), "wrong_type"),
        (json_record([("a", {"arrayValue": {"values": 3}})]), "wrong_type"),
        (json_record([("a", 3)]), "wrong_type"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "\xff"}]}]}]}', "undecodable"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "\\ud800"}]}]}]}', "undecodable"),
    ],
)
def test_what_is_refused_and_why(data: bytes, reason: str) -> None:
    assert _reason(data) == reason


@pytest.mark.parametrize("parent", [b"\x01" * 7, b"\x01" * 9, b"\x01" * 600])
def test_a_parent_whose_id_has_another_length_is_refused(parent: bytes) -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(trace_id=b"\x01" * 16, span_id=b"\x02" * 8)
    span.parent_span_id = parent
    assert _reason(request.SerializeToString()) == "bad_id"
    assert _reason(json_record(parentSpanId=parent.hex())) == "bad_id"


def test_other_signals_are_refused() -> None:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    logs = ExportLogsServiceRequest()
    logs.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=1, severity_text="INFO")
    metrics = ExportMetricsServiceRequest()
    metrics.resource_metrics.add().scope_metrics.add().metrics.add(name="requests")
    assert _reason(logs.SerializeToString()) == "bad_id"
    assert _reason(metrics.SerializeToString()) == "bad_id"


def test_invalid_utf8_in_protobuf_is_refused() -> None:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(name="abcdef")
    span.trace_id, span.span_id = bytes.fromhex(TRACE), bytes.fromhex(SPAN)
    assert _reason(request.SerializeToString().replace(b"abcdef", b"ab\xff\xfeef")) == "undecodable"


@pytest.mark.parametrize("depth", [45, 100, 300, 1000, 100_000])
def test_nesting_beyond_the_limit_is_refused(depth: int) -> None:
    value = b'{"arrayValue":{"values":[' * depth + b'{"intValue":"1"}' + b"]}}" * depth
    data = json_record([("a", {"stringValue": "HERE"})]).replace(b'{"stringValue":"HERE"}', value)
    assert _reason(data) == "too_deep"
    assert _reason(b'{"resourceSpans":' + b"[" * depth + b"]" * depth + b"}") in ("too_deep", "wrong_type")


def test_nesting_in_protobuf() -> None:
    def request(depth: int) -> bytes:
        made = ExportTraceServiceRequest()
        span = made.resource_spans.add().scope_spans.add().spans.add()
        span.trace_id, span.span_id = bytes.fromhex(TRACE), bytes.fromhex(SPAN)
        value = span.attributes.add(key="a").value
        for _ in range(depth):
            value = value.array_value.values.add()
        return made.SerializeToString() if depth < 45 else _deep(depth)

    def _deep(depth: int) -> bytes:
        def field(number: int, body: bytes) -> bytes:
            size, prefix = len(body), b""
            while size > 0x7F:
                prefix, size = prefix + bytes([size & 0x7F | 0x80]), size >> 7
            return bytes([number << 3 | 2]) + prefix + bytes([size]) + body

        body = b""
        for _ in range(depth):
            body = field(5, field(1, body))
        span = (
            field(1, bytes.fromhex(TRACE)) + field(2, bytes.fromhex(SPAN)) + field(9, field(1, b"a") + field(2, body))
        )
        return field(1, field(2, field(2, span)))

    assert _span(request(30)).attributes["a"]
    for depth in (42, 60, 1000):
        assert _reason(request(depth)) == "too_deep"


def test_deep_json_in_an_attribute_stays_text() -> None:
    deep = '{"a":' * 1000 + "1" + "}" * 1000
    data = json_record(
        [
            ("gen_ai.operation.name", {"stringValue": "execute_tool"}),
            ("gen_ai.tool.call.arguments", {"stringValue": deep}),
            ("gen_ai.tool.call.result", {"stringValue": "[" * 5000}),
        ]
    )
    trace = whole(decode(data, HASHER))
    assert trace.spans[0].arguments == deep
    assert trace.spans[0].result == "[" * 5000
    assert trace.from_bytes(trace.to_bytes()) == trace


def test_times_are_clamped() -> None:
    def read(start: Any, end: Any) -> Any:
        return whole(decode(json_record(startTimeUnixNano=start, endTimeUnixNano=end), HASHER)).spans[0]

    assert read("-5", 0).start.year == 1970
    assert read(str(2**64), str(2**80)).end.year < 3000
    assert read("253402300800000000000", "999999999999999999999").start.year == 2554
    backwards = read("1700000001000000000", "1700000000000000000")
    assert backwards.end == backwards.start
    assert backwards.attributes["otel.end_before_start"] == 1700000000000000000
    assert read(None, None).start.year == 1970


def test_spelling_variants_ofjson_record() -> None:
    camel = _span(
        json_record([("n", {"intValue": "7"})], kind="SPAN_KIND_CLIENT", status={"code": "STATUS_CODE_ERROR"})
    )
    snake = orjson.loads(json_record([("n", {"int_value": 7})], kind=3, status={"code": 2}))
    span = snake["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    for name in list(span):
        span["".join("_" + c.lower() if c.isupper() else c for c in name)] = span.pop(name)
    snake = {"resource_spans": [{"scope_spans": snake["resourceSpans"][0]["scopeSpans"]}]}
    assert _span(orjson.dumps(snake)) == camel
    assert _span(b"  \n" + json_record()) == _span(json_record())
    assert _span(b"\xef\xbb\xbf" + json_record()) == _span(json_record())


def test_a_protobuf_record_that_looks_like_json_at_first() -> None:
    for size in range(60, 140):
        request = ExportTraceServiceRequest()
        span = request.resource_spans.add().scope_spans.add().spans.add(name="n" * size)
        span.trace_id, span.span_id = bytes.fromhex(TRACE), bytes.fromhex(SPAN)
        assert _span(request.SerializeToString()).name == "n" * size


def test_a_parent_elsewhere() -> None:
    assert _span(json_record(flags=0x300, parentSpanId=SPAN[::-1])).remote_parent
    assert not _span(json_record(flags=0x100)).remote_parent
    assert _span(json_record(parentSpanId="0" * 16)).parent_id is None


def test_nothing_inside_is_no_error() -> None:
    assert decode(b'{"resourceSpans":[]}', HASHER) == []
    assert decode(b"", HASHER) == []


def test_ten_megabytes_take_bounded_time() -> None:
    message = {"role": "user", "parts": [{"type": "text", "content": "x" * 1000}]}
    text = orjson.dumps([message] * 10_000).decode()
    flat = [(f"llm.input_messages.{i}.message.content", {"stringValue": "y" * 900}) for i in range(10_000)]
    for attributes in ([("gen_ai.input.messages", {"stringValue": text})], flat):
        data = json_record(attributes)
        begun = time.process_time()
        decode(data, HASHER)
        assert time.process_time() - begun < 5
