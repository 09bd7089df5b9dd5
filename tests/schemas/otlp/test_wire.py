"""From bytes to plain spans: both encodings alike, odd values, limits, and garbage."""

from __future__ import annotations

import base64
import math
import time
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from schemas.errors import InvalidRecord
from schemas.ids import Hasher
from schemas.otlp import decode, raw_split
from schemas.otlp.span import UNREADABLE
from schemas.otlp.wire import read_spans
from tests.schemas.recorded import (
    EXAMPLES,
    HASHER,
    INSTRUMENTED,
    instrumented_records,
    lines,
    needs_instrumented,
    whole,
)

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
REASONS = {"undecodable", "not_otlp", "wrong_type", "too_deep", "bad_id"}


def _json(attributes: Any = (), **span: Any) -> bytes:
    body = {
        "traceId": TRACE,
        "spanId": SPAN,
        "name": "s",
        "kind": 1,
        "startTimeUnixNano": "1700000000000000000",
        "endTimeUnixNano": "1700000001000000000",
        "attributes": [{"key": key, "value": value} for key, value in attributes],
        **span,
    }
    return orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [body]}]}]})


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


def _to_json(value: Any) -> Any:
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        special = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        return {"doubleValue": value if math.isfinite(value) else special}
    if isinstance(value, bytes):
        return {"bytesValue": base64.b64encode(value).decode()}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_to_json(item) for item in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": [{"key": k, "value": _to_json(v)} for k, v in value.items()]}}
    return {"stringValue": value}


@given(attributes=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), VALUES, max_size=4))
def test_both_encodings_come_to_the_same_span_and_digest(attributes: dict[str, Any]) -> None:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name, span.kind = bytes.fromhex(TRACE), bytes.fromhex(SPAN), "s", 1
    span.start_time_unix_nano, span.end_time_unix_nano = 1700000000000000000, 1700000001000000000
    span.attributes.extend(KeyValue(key=k, value=_to_proto(v)) for k, v in attributes.items())
    of_proto = _span(request.SerializeToString())
    of_json = _span(_json((k, _to_json(v)) for k, v in attributes.items()))
    assert of_proto == of_json
    assert of_proto.digest(HASHER) == of_json.digest(HASHER)
    (again,) = (_span(part) for part in raw_split(orjson.dumps(orjson.loads(_json_of(attributes)))).values())
    assert again == of_json


def _json_of(attributes: dict[str, Any]) -> bytes:
    return _json((k, _to_json(v)) for k, v in attributes.items())


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
    span = _span(_json())
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
        (_json(traceId="0" * 32), "bad_id"),
        (_json(spanId="0" * 16), "bad_id"),
        (_json(traceId="xyz"), "bad_id"),
        (_json(spanId=None), "bad_id"),
        (_json(name=1), "wrong_type"),
        (_json(kind="LOUD"), "wrong_type"),
        (_json(startTimeUnixNano="soon"), "wrong_type"),
        (_json([("a", {"intValue": "1" * 5000})]), "wrong_type"),
        (_json([("a", {"intValue": True})]), "wrong_type"),
        (_json([("a", {"doubleValue": "much"})]), "wrong_type"),
        (_json([("a", {"bytesValue": "%%"})]), "wrong_type"),
        (_json([("a", {"arrayValue": {"values": 3}})]), "wrong_type"),
        (_json([("a", 3)]), "wrong_type"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "\xff"}]}]}]}', "undecodable"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "\\ud800"}]}]}]}', "undecodable"),
    ],
)
def test_what_is_refused_and_why(data: bytes, reason: str) -> None:
    assert _reason(data) == reason


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
    data = _json([("a", {"stringValue": "HERE"})]).replace(b'{"stringValue":"HERE"}', value)
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
    data = _json(
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
        return whole(decode(_json(startTimeUnixNano=start, endTimeUnixNano=end), HASHER)).spans[0]

    assert read("-5", 0).start.year == 1970
    assert read(str(2**64), str(2**80)).end.year < 3000
    assert read("253402300800000000000", "999999999999999999999").start.year == 2554
    backwards = read("1700000001000000000", "1700000000000000000")
    assert backwards.end == backwards.start
    assert backwards.attributes["otel.end_before_start"] == 1700000000000000000
    assert read(None, None).start.year == 1970


def test_spelling_variants_of_json() -> None:
    camel = _span(_json([("n", {"intValue": "7"})], kind="SPAN_KIND_CLIENT", status={"code": "STATUS_CODE_ERROR"}))
    snake = orjson.loads(_json([("n", {"int_value": 7})], kind=3, status={"code": 2}))
    span = snake["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    for name in list(span):
        span["".join("_" + c.lower() if c.isupper() else c for c in name)] = span.pop(name)
    snake = {"resource_spans": [{"scope_spans": snake["resourceSpans"][0]["scopeSpans"]}]}
    assert _span(orjson.dumps(snake)) == camel
    assert _span(b"  \n" + _json()) == _span(_json())
    assert _span(b"\xef\xbb\xbf" + _json()) == _span(_json())


def test_a_protobuf_record_that_looks_like_json_at_first() -> None:
    for size in range(60, 140):
        request = ExportTraceServiceRequest()
        span = request.resource_spans.add().scope_spans.add().spans.add(name="n" * size)
        span.trace_id, span.span_id = bytes.fromhex(TRACE), bytes.fromhex(SPAN)
        assert _span(request.SerializeToString()).name == "n" * size


def test_a_parent_elsewhere() -> None:
    assert _span(_json(flags=0x300, parentSpanId=SPAN[::-1])).remote_parent
    assert not _span(_json(flags=0x100)).remote_parent
    assert _span(_json(parentSpanId="0" * 16)).parent_id is None


def test_nothing_inside_is_no_error() -> None:
    assert decode(b'{"resourceSpans":[]}', HASHER) == []
    assert decode(b"", HASHER) == []


def test_ten_megabytes_take_bounded_time() -> None:
    message = {"role": "user", "parts": [{"type": "text", "content": "x" * 1000}]}
    text = orjson.dumps([message] * 10_000).decode()
    flat = [(f"llm.input_messages.{i}.message.content", {"stringValue": "y" * 900}) for i in range(10_000)]
    for attributes in ([("gen_ai.input.messages", {"stringValue": text})], flat):
        data = _json(attributes)
        begun = time.perf_counter()
        decode(data, HASHER)
        assert time.perf_counter() - begun < 5


SEEDS = [_json([("gen_ai.input.messages", {"stringValue": '[{"role":"user","parts":[{"content":"hi"}]}]'})])]
if INSTRUMENTED.is_dir():
    SEEDS += [records[0] for records in instrumented_records().values()][::9]
SEEDS += [next(iter(raw_split(next(lines(EXAMPLES / "airline.otlp.jsonl.gz"))).values()))]


def _only_invalid_records(data: bytes) -> None:
    for read in (decode, lambda d, h: raw_split(d)):
        try:
            found = read(data, HASHER)
        except InvalidRecord as error:
            assert error.reason in REASONS
        else:
            if read is decode:
                for fragment in found:
                    trace = whole([fragment])
                    assert not any(UNREADABLE in span.attributes for span in trace.spans)
                    assert trace.from_bytes(trace.to_bytes()) == trace


@given(data=st.binary(max_size=300) | st.binary(max_size=300).map(lambda b: b'{"resourceSpans":' + b))
@settings(max_examples=300, deadline=None)
def test_random_bytes(data: bytes) -> None:
    _only_invalid_records(data)


@given(seed=st.sampled_from(SEEDS), data=st.data())
@settings(max_examples=150, deadline=None)
def test_mutated_records(seed: bytes, data: st.DataObject) -> None:
    mutated = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(mutated) - 1))
        change = data.draw(st.sampled_from(["flip", "cut", "insert", "double"]))
        if change == "flip":
            mutated[place] ^= data.draw(st.integers(1, 255))
        elif change == "cut":
            del mutated[place : place + data.draw(st.integers(1, 40))]
        elif change == "insert":
            mutated[place:place] = data.draw(st.binary(min_size=1, max_size=8))
        else:
            mutated[place:place] = mutated[place : place + 60]
        if not mutated:
            return
    _only_invalid_records(bytes(mutated))


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["role", "content", "parts", "type", "text", "tool_calls", "message", "function", "id", "name",
                         "data", "kwargs", "lc", "messages", "choices", "output", "generations", "args", "arguments",
                         "toolUse", "toolResult", "response", "result", "finish_reason", "usage", "update", "delta"]),
        inner, max_size=4,
    ),
    max_leaves=25,
)  # fmt: skip
NAMES = [
    "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.definitions",
    "gen_ai.tool.call.arguments", "gen_ai.tool.call.result", "gen_ai.operation.name", "gen_ai.response.finish_reasons",
    "gen_ai.usage.input_tokens", "gen_ai.prompt.0.role", "gen_ai.prompt.0.tool_calls.0.name", "gen_ai.completion.0.content",
    "gen_ai.completion.1.function_call.name", "llm.request.functions.0.name", "openinference.span.kind", "input.value",
    "output.value", "llm.input_messages.0.message.role", "llm.input_messages.0.message.contents.0.message_content.type",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.name", "llm.invocation_parameters", "metadata",
    "llm.tools.0.tool.json_schema", "retrieval.documents.0.document.content", "traceloop.span.kind",
    "traceloop.entity.input", "traceloop.entity.output", "mlflow.spanType", "mlflow.spanInputs", "mlflow.spanOutputs",
    "mlflow.chat.tokenUsage", "pydantic_ai.all_messages", "final_result", "all_messages_events", "logfire.msg",
    "model_request_parameters", "gcp.vertex.agent.llm_request", "gcp.vertex.agent.llm_response", "llm.openai.choices",
    "gcp.vertex.agent.tool_response", "llm.openai.messages", "llm.openai.usage", "session.id", "error.type", "tool.name",
]  # fmt: skip
WORDS = st.sampled_from(
    ["chat", "execute_tool", "invoke_agent", "LLM", "TOOL", "CHAIN", '"TOOL"', "tool", "agent", "x"]
)


@given(
    attributes=st.dictionaries(st.sampled_from(NAMES), WORDS | ODD, max_size=8),
    events=st.lists(
        st.tuples(
            st.sampled_from(["gen_ai.choice", "gen_ai.user.message", "gen_ai.tool.message", "exception",
                             "gen_ai.client.inference.operation.details", "gen_ai.content.prompt", "mlflow.chunk.item.0"]),
            st.dictionaries(
                st.sampled_from(["content", "message", "finish_reason", "id", "gen_ai.input.messages", "tool.result",
                                 "gen_ai.event.content", "gen_ai.prompt", "exception.type", "mlflow.chunk.value"]),
                ODD, max_size=3,
            ),
        ),
        max_size=3,
    ),
    as_text=st.booleans(),
    name=st.sampled_from(["s", "raw_gen_ai_request", "agent run", "invoke_agent x"]),
)  # fmt: skip
@settings(max_examples=600, deadline=None)
def test_any_value_under_any_known_name(attributes: Any, events: Any, as_text: bool, name: str) -> None:
    def value(found: Any) -> Any:
        if isinstance(found, str) or not as_text:
            return _json_value(found)
        return {"stringValue": orjson.dumps(_finite(found)).decode()}

    data = _json(
        ((key, value(found)) for key, found in attributes.items()),
        name=name,
        events=[
            {"name": event, "attributes": [{"key": key, "value": value(found)} for key, found in said.items()]}
            for event, said in events
        ],
    )
    trace = whole(decode(data, HASHER))
    assert trace.from_bytes(trace.to_bytes()) == trace
    assert UNREADABLE not in trace.spans[0].attributes


def _finite(found: Any) -> Any:
    if isinstance(found, float) and not math.isfinite(found):
        return None
    if isinstance(found, int) and abs(found) > 2**62:
        return 0
    if isinstance(found, list):
        return [_finite(item) for item in found]
    return {k: _finite(v) for k, v in found.items()} if isinstance(found, dict) else found


def _json_value(found: Any) -> Any:
    return _to_json(_finite(found))
