"""Records that hypothesis makes up for each input topic: honest ones with something wrong, and bytes of any kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from schemas.settings import Topics
from tests.e2e.hostile import START_S, good_measurement, good_member, good_request, native, span

MAX_INT64 = 2**63 - 1
DEEP = 1_000

_texts = st.text(max_size=12) | st.sampled_from(
    ["", "\x00", "a\x00b", "\u202e", "ann@example.com", "x" * 3_000, "'; DROP TABLE traces; --", "{{", "\ufffd", "NaN"]
)
_numbers = (
    st.integers(-(2**70), 2**70)
    | st.floats()
    | st.sampled_from([0, -1, 2**31, 2**32, MAX_INT64, 2**63, -(2**63) - 1, 1e308, 5e-324])
)
_values = st.recursive(
    st.none() | st.booleans() | _numbers | _texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_texts, inner, max_size=4),
    max_leaves=10,
)


def drawn(strategy: st.SearchStrategy[Any], count: int, number: int) -> list[Any]:
    """`count` examples of a strategy, the same for the same `number`."""
    found: list[Any] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def take(example: Any) -> None:
        found.append(example)

    take()
    return found


# --- JSON records of ours: one field, somewhere, is another value, missing, or one too many ------------------------------


@st.composite
def _spoiled(draw: st.DrawFn, make: Callable[[int], dict[str, Any]]) -> bytes:
    """JSON of a good record, spoiled in up to two places; its bytes are sometimes cut or flipped."""
    record = make(draw(st.integers(0, 10**9)))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2]))):
        _spoil(draw, record)
    data = _dumped(record)
    return _mangled(draw, data) if draw(st.integers(0, 4)) == 0 else data


def _spoil(draw: st.DrawFn, record: Any) -> None:
    holder = record
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            return
        key = draw(st.sampled_from(keys))
        below = holder[key]
        if isinstance(below, dict | list) and below and draw(st.booleans()):
            holder = below
            continue
        how = draw(st.sampled_from(["another", "missing", "extra", "nested"]))
        if how == "missing":
            del holder[key]
        elif how == "extra" and isinstance(holder, dict):
            holder[draw(_texts)] = draw(_values)
        elif how == "nested":
            holder[key] = "@deep@"
        else:
            holder[key] = draw(_values)
        return


def _dumped(record: Any) -> bytes:
    """JSON as Python's own library writes it: NaN, Infinity and lone surrogates included; the mark becomes a deep nest."""
    import json

    nest = '{"a":' * DEEP + "1" + "}" * DEEP
    return json.dumps(record).replace('"@deep@"', nest).encode("utf-8", "surrogatepass")


def _mangled(draw: st.DrawFn, data: bytes) -> bytes:
    place = draw(st.integers(0, max(len(data) - 1, 0)))
    how = draw(st.sampled_from(["cut", "flip", "insert", "repeat"]))
    if how == "cut":
        return data[:place]
    if how == "insert":
        return data[:place] + draw(st.binary(min_size=1, max_size=6)) + data[place:]
    if how == "repeat":
        return data[:place] + data[place : place + 40] + data[place:]
    return data[:place] + bytes([data[place] ^ draw(st.integers(1, 255))]) + data[place + 1 :] if data else b"\x00"


def _trace(number: int) -> dict[str, Any]:
    spans = [span("a"), span("b", parent_id="a", kind="tool", tool_name="search", arguments={"q": 1}, result="[]")]
    return native(f"fuzz-{number}", *spans, session_id=f"s-{number % 50}", user_id=f"u-{number % 20}")


def _closed(number: int) -> dict[str, Any]:
    member = _member(number)
    return {"session_id": member["session_id"], "members": [member]}


def _member(number: int) -> dict[str, Any]:
    return good_member(session_id=f"s-{number % 50}", trace_id=f"fuzz-{number}")


def _request(number: int) -> dict[str, Any]:
    return good_request(trace_id=f"asked-{number}")


def _measured(number: int) -> dict[str, Any]:
    return good_measurement(source_partition=number % 10_000, traces=[f"m-{number}"])


def _feedback(number: int) -> dict[str, Any]:
    return {"trace_id": f"said-{number}", "score": number % 11 / 10, "comment": "no", "author": f"a{number % 7}"}


# --- OTLP ----------------------------------------------------------------------------------------------------------------

_otlp_values = st.recursive(
    st.just({})
    | st.fixed_dictionaries({"stringValue": _texts})
    | st.fixed_dictionaries({"intValue": _numbers | _texts})
    | st.fixed_dictionaries({"doubleValue": st.floats() | st.sampled_from(["NaN", "Infinity", "-Infinity", "x"])})
    | st.fixed_dictionaries({"boolValue": st.booleans() | _texts})
    | st.fixed_dictionaries({"bytesValue": _texts}),
    lambda inner: (
        st.fixed_dictionaries({"arrayValue": st.fixed_dictionaries({"values": st.lists(inner, max_size=3)})})
        | st.fixed_dictionaries(
            {
                "kvlistValue": st.fixed_dictionaries(
                    {"values": st.lists(st.fixed_dictionaries({"key": _texts, "value": inner}), max_size=3)}
                )
            }
        )
    ),
    max_leaves=8,
)
_names = st.sampled_from(
    [
        *("gen_ai.operation.name", "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.usage.input_tokens"),
        *("gen_ai.tool.call.arguments", "gen_ai.tool.definitions", "gen_ai.prompt.0.content", "session.id", "user.id"),
        *("openinference.span.kind", "input.value", "llm.input_messages.0.message.content", "traceloop.entity.input"),
    ]
)
_keys = _names | _names | _texts | st.just("k" * 20_000)
_times = st.sampled_from([START_S * 10**9, 0, 1, MAX_INT64, 2**64 - 1]) | st.integers(0, 2**64 - 1)


@st.composite
def _otlp_json(draw: st.DrawFn) -> bytes:
    trace_id = f"{draw(st.integers(1, 2**60)):032x}"
    spans = []
    for number in range(1, draw(st.integers(1, 3)) + 1):
        attributes = [{"key": draw(_keys), "value": draw(_otlp_values)} for _ in range(draw(st.integers(0, 5)))]
        if draw(st.integers(0, 60)) == 0:
            attributes = [{"key": f"k{n}", "value": {"intValue": str(n)}} for n in range(10_000)]
        spans.append(
            {
                "traceId": trace_id,
                "spanId": f"{number:016x}",
                "parentSpanId": f"{draw(st.integers(0, 3)):016x}" if draw(st.booleans()) else "",
                "name": draw(_texts),
                "startTimeUnixNano": str(draw(_times)),
                "endTimeUnixNano": str(draw(_times)),
                "attributes": attributes,
                "status": {"code": draw(st.integers(-1, 4))},
            }
        )
    record: Any = {"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": spans}]}]}
    if draw(st.integers(0, 3)) == 0:
        _spoil(draw, record)
    data = _dumped(record)
    return _mangled(draw, data) if draw(st.integers(0, 6)) == 0 else data


@st.composite
def _otlp_proto(draw: st.DrawFn) -> bytes:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    trace_id = draw(st.integers(1, 2**60)).to_bytes(16, "big")
    for number in range(1, draw(st.integers(1, 3)) + 1):
        one = scope.spans.add()
        one.trace_id = draw(st.sampled_from([trace_id] * 40 + [b"", b"\x01", bytes(16), b"x" * 40]))
        one.span_id = draw(st.sampled_from([number.to_bytes(8, "big")] * 40 + [b"", b"\x01" * 3, bytes(8)]))
        one.parent_span_id = draw(st.sampled_from([b"", (1).to_bytes(8, "big"), (9).to_bytes(8, "big"), b"\xff"]))
        one.name = draw(st.text(st.characters(exclude_categories=("Cs",)), max_size=8))
        one.start_time_unix_nano, one.end_time_unix_nano = draw(_times) % 2**64, draw(_times) % 2**64
        for _ in range(draw(st.integers(0, 4))):
            attribute = one.attributes.add()
            attribute.key = draw(_names)
            _fill(draw, attribute.value, draw(st.integers(0, 3)))
        if draw(st.integers(0, 40)) == 0:
            value = one.attributes.add(key="deep").value
            for _ in range(60):  # protobuf's own reader stops at a hundred levels
                value = value.kvlist_value.values.add(key="a").value
            value.int_value = 1
    data = request.SerializeToString()
    if draw(st.integers(0, 20)) == 0:
        data = data.replace(b"gen_ai", b"gen\xff\xfei")  # text that is no UTF-8
    return _mangled(draw, data) if draw(st.integers(0, 4)) == 0 else data


def _fill(draw: st.DrawFn, value: Any, depth: int) -> None:
    kind = draw(st.sampled_from(["text", "int", "double", "bytes", "list", "none"]))
    if kind == "text":
        value.string_value = draw(st.text(st.characters(exclude_categories=("Cs",)), max_size=10))
    elif kind == "int":
        value.int_value = draw(st.integers(-(2**63), 2**63 - 1))
    elif kind == "double":
        value.double_value = draw(st.floats())
    elif kind == "bytes":
        value.bytes_value = draw(st.binary(max_size=8))
    elif kind == "list" and depth:
        for _ in range(draw(st.integers(0, 3))):
            _fill(draw, value.array_value.values.add(), depth - 1)


_noise = st.binary(max_size=200) | st.sampled_from([b"", b"{}", b"[]", b"null", b"[" * 50_000, b"\xff\xfe", b'"', b"0"])


def _mostly(*records: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Records of these kinds, and one time in ten bytes that are none."""
    return st.integers(0, 9).flatmap(lambda n: _noise if n == 0 else records[n % len(records)])


_spans = _mostly(_otlp_json(), _otlp_proto())

STRATEGIES: dict[str, st.SearchStrategy[bytes]] = {
    Topics.OTLP_SPANS: _spans,
    Topics.OTLP_SPANS_BY_TRACE: _spans,
    Topics.TRACES: _mostly(_spoiled(_trace)),
    Topics.SESSION_TRACES: _mostly(_spoiled(_member)),
    Topics.SESSIONS: _mostly(_spoiled(_closed)),
    Topics.JUDGE_REQUESTS: _mostly(_spoiled(_request)),
    Topics.MEASUREMENTS: _mostly(_spoiled(_measured)),
    Topics.FEEDBACK: _mostly(_spoiled(_feedback)),
}
SHARES = {Topics.OTLP_SPANS: 4, Topics.TRACES: 4, Topics.OTLP_SPANS_BY_TRACE: 2}
"""Out of 14 records; the other topics get one each, less or more."""
