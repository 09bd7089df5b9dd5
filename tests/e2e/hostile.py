"""Records that no honest client sends, each with what must come of it."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from schemas.settings import Topics

START_S = 1_760_000_000
MEGABYTE = 2**20
PARTITIONS = 4
LONG_CHARS = 10_000  # more than an index of PostgreSQL takes, and of letters that do not compress
_LETTERS = string.ascii_letters + string.digits
OVER_THE_EDGE = "9999-12-31T23:59:59-05:00"  # a valid time that is out of range in UTC


class Hostile(NamedTuple):
    """A record, and the reasons of which one must stand on its dead letter; none: it must be worked on.

    `("*",)` : worked on or a dead letter, either is right.
    """

    name: str
    topic: str
    value: bytes | None
    reasons: tuple[str, ...] = ()
    key: bytes | None = None
    timestamp_ms: int | None = None


UNREADABLE, WRONG, EITHER = ("undecodable",), ("wrong_type",), ("*",)


def long_text(seed: int) -> str:
    return "".join(random.Random(seed).choices(_LETTERS, k=LONG_CHARS))


def native(trace_id: Any, *spans: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"trace_id": trace_id, "spans": list(spans) or [span("a")], **fields}


def span(span_id: Any, **fields: Any) -> dict[str, Any]:
    return {
        "span_id": span_id,
        "name": "chat",
        "kind": "llm",
        "start": START_S,
        "end": START_S + 1,
        "input_messages": [{"role": "user", "content": "Where is my order?"}],
        "output_messages": [{"role": "assistant", "content": "It was sent, thank you."}],
        **fields,
    }


def otlp(*spans: dict[str, Any]) -> bytes:
    """An export request in JSON."""
    return orjson.dumps({"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": list(spans)}]}]})


def otlp_span(trace_id: Any, number: int = 1, parent: int | None = None, **attributes: str) -> dict[str, Any]:
    parented = {} if parent is None else {"parentSpanId": f"{parent:016x}"}
    texts = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", **attributes}
    return {
        "traceId": trace_id,
        "spanId": f"{number:016x}",
        "name": "chat m",
        "startTimeUnixNano": str(START_S * 10**9),
        "endTimeUnixNano": str((START_S + 1) * 10**9),
        "attributes": [{"key": key, "value": {"stringValue": text}} for key, text in texts.items()],
        **parented,
    }


def nested(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


def nested_otlp(levels: int) -> bytes:
    value = b'{"kvlistValue":{"values":[{"key":"a","value":' * levels + b'{"intValue":"1"}' + b"}]}}" * levels
    return otlp(otlp_span(f"{5:032x}", input="@")).replace(b'{"stringValue":"@"}', value)


def on_traces() -> Iterator[Hostile]:
    """Unreadable and odd traces."""
    topic = Topics.TRACES

    def trace(name: str, body: Any, *reasons: str) -> Hostile:
        return Hostile(name, topic, body if isinstance(body, bytes) else orjson.dumps(body), reasons)

    yield Hostile("undecodable bytes", topic, b"\xff\xfe\x00\x01\x80", UNREADABLE)
    yield Hostile("tombstone", topic, None, UNREADABLE, key=b"gone")
    yield Hostile("empty value", topic, b"", UNREADABLE)
    yield Hostile("cut in the middle", topic, orjson.dumps(native("cut"))[:60], UNREADABLE)
    yield Hostile("an array", topic, b"[1,2]", WRONG)
    yield Hostile("NaN", topic, b'{"trace_id":"nan","spans":[{"span_id":"a","start":NaN}]}', UNREADABLE)
    yield Hostile("lone surrogate", topic, b'{"trace_id":"\\ud800","spans":[{"span_id":"a","start":0}]}', UNREADABLE)
    yield Hostile("1,000 levels", topic, b'{"trace_id":"deep","spans":' + nested(1_000) + b"}", ("too_deep",))
    yield Hostile("100,000 brackets", topic, b"[" * 100_000, ("too_deep", "undecodable"))
    yield trace("trace id is a number", native(5), *WRONG)
    yield trace("spans are text", {"trace_id": "t", "spans": "x"}, *WRONG)
    yield trace("no spans", {"trace_id": "none", "spans": []}, "empty_trace")
    yield trace("unknown field", native("unknown", colour="red"), *WRONG)
    yield trace("time is no time", native("time", span("a", start="yesterday")), *WRONG)
    yield trace("time over the edge", native("edge", span("a", start=OVER_THE_EDGE)), *WRONG)
    yield trace("event over the edge", native("ev", span("a", events=[{"name": "x", "time": OVER_THE_EDGE}])), *WRONG)
    yield trace("huge count of tokens", native("usage", span("a", usage={"input_tokens": 2**63 - 1})), *EITHER)
    yield trace("count of tokens beyond 64 bits", native("usage2", span("a", usage={"input_tokens": 1e19})), *EITHER)
    yield trace("negative count", native("usage3", span("a", usage={"input_tokens": -(2**63)})), *EITHER)
    yield trace("long trace id", native(long_text(1)), *WRONG)
    yield trace("long span id", native("long-span", span(long_text(2), parent_id=long_text(3))), *WRONG)
    yield trace("long session", native("long-session", session_id=long_text(4), user_id=long_text(5)))
    yield trace(
        "long names",
        native(
            "long-names",
            span("a", kind="tool", tool_name=long_text(6), name=long_text(7), result="{}"),
            span("b", request_model=long_text(8), prompt_name=long_text(9), prompt_version=long_text(9)),
            project=long_text(10),
            environment=long_text(11),
        ),
    )
    yield trace("NUL in the ids", native("a\x00b", span("\x00")), *WRONG)
    yield trace("NUL in the texts", _with_nul())
    odd_digests = native("digests", messages={"m\x00": {"role": "user"}}, tool_sets={"t\x00": [{"name": "x"}]})
    yield trace("NUL in digests", odd_digests, *WRONG)
    yield trace("control characters", native("a\n\t\u202e"), *WRONG)
    yield trace("slashes and quotes", native("'; DROP TABLE traces; --/../", session_id="%s/%d\\\n\u202e"))
    yield trace(
        "from the future", native("future", span("a", start="2200-01-01T00:00:00Z", end="2200-01-01T00:00:09Z"))
    )
    yield trace("the last year", native("last", span("a", start="9999-12-31T23:59:59Z", end="9999-12-31T23:59:59Z")))
    yield trace("before 1970", native("past", span("a", start="0001-01-01T00:00:00Z", end=-5)))
    yield trace("ends before it starts", native("backwards", span("a", end=START_S - 500)))
    yield trace(
        "a cycle", native("cycle", span("a", parent_id="b"), span("b", parent_id="a"), span("c", parent_id="c"))
    )
    yield trace("no root", native("rootless", span("a", parent_id="elsewhere")))
    yield trace("copies in one record", native("copies", span("a", name="one"), span("a", name="two", end=START_S + 9)))
    yield trace("another copy", native("copies", span("a", name="three", end=START_S + 5)))
    yield trace("10 MB", native("big", span("a"), span("b", attributes={"blob": "x" * (10 * MEGABYTE)})))
    yield Hostile("hostile key", topic, orjson.dumps(native("keyed")), key=bytes(range(256)) * 20)
    yield Hostile("another key", topic, orjson.dumps(native("misled")), key=b"some-other-trace")
    yield Hostile("time of the record: 0", topic, orjson.dumps(native("epoch")), timestamp_ms=0)


def of_other_times() -> Iterator[Hostile]:
    """Records with timestamps that Apache Kafka does not take and the dev broker does."""
    for number, timestamp_ms in enumerate((-1, 2**62, 253_402_300_800_000)):
        value = orjson.dumps(native(f"stamped-{number}"))
        yield Hostile(f"timestamp {timestamp_ms}", Topics.TRACES, value, timestamp_ms=timestamp_ms)
        value = otlp(otlp_span(f"{0xAA00 + number:032x}"))
        yield Hostile(f"span at {timestamp_ms}", Topics.OTLP_SPANS, value, timestamp_ms=timestamp_ms)


def on_spans() -> Iterator[Hostile]:
    """Unreadable and odd export requests."""
    topic = Topics.OTLP_SPANS
    yield Hostile("undecodable bytes", topic, b"\xff\xfe\x00\x01\x80", EITHER_UNREADABLE)
    yield Hostile("text", topic, b"hello, I am a log line", EITHER_UNREADABLE)
    yield Hostile("cut JSON", topic, otlp(otlp_span(f"{1:032x}"))[:90], EITHER_UNREADABLE)
    yield Hostile("no OTLP", topic, b'{"hello": [1]}', ("not_otlp", *EITHER))
    yield Hostile("tombstone", topic, None, EITHER, key=b"gone")
    yield Hostile("wrong type", topic, b'{"resourceSpans": 5}', WRONG)
    yield Hostile("trace id of one byte", topic, otlp(otlp_span("01")), ("bad_id",))
    yield Hostile("trace id is a number", topic, otlp(otlp_span(5)), ("bad_id", "wrong_type"))
    yield Hostile("1,000 levels", topic, nested_otlp(1_000), ("too_deep", "undecodable"))
    yield Hostile("no root", topic, otlp(otlp_span(f"{0xB1:032x}", 2, parent=1)), key=f"{0xB1:032x}".encode())
    yield Hostile(
        "a cycle", topic, otlp(otlp_span(f"{0xB2:032x}", 1, parent=2), otlp_span(f"{0xB2:032x}", 2, parent=1))
    )
    yield Hostile(
        "conflicting copies", topic, otlp(otlp_span(f"{0xB3:032x}"), otlp_span(f"{0xB3:032x}", input="other"))
    )
    big = otlp_span(f"{0xB4:032x}", 1, blob="x" * (10 * MEGABYTE))
    small = [otlp_span(f"{0xB4:032x}", n, parent=1, step=str(n)) for n in range(2, 6)]
    yield Hostile("10 MB of one trace", topic, otlp(big, *small), key=f"{0xB4:032x}".encode())
    many = [otlp_span(f"{0xB5:032x}", n, blob="x" * MEGABYTE) for n in range(1, 11)]
    yield Hostile("10 MB to be split", topic, otlp(*many, otlp_span(f"{0xB6:032x}")))
    giant = otlp_span(f"{0xB7:032x}", 1, blob="x" * (10 * MEGABYTE))
    yield Hostile("a span of 10 MB to be split", topic, otlp(giant, otlp_span(f"{0xB8:032x}")), ("too_large",))


EITHER_UNREADABLE = ("undecodable", "not_otlp")


def on_the_rest() -> Iterator[Hostile]:
    """On the topics between our components, and feedback."""
    for topic in (
        Topics.FEEDBACK,
        Topics.SESSION_TRACES,
        Topics.SESSIONS,
        Topics.JUDGE_REQUESTS,
        Topics.MEASUREMENTS,
        Topics.OTLP_SPANS_BY_TRACE,
    ):
        odd = EITHER if topic == Topics.OTLP_SPANS_BY_TRACE else (*UNREADABLE, *WRONG)
        yield Hostile("undecodable bytes", topic, b"\xff\xfe\x00\x01\x80", (*UNREADABLE, "not_otlp"))
        yield Hostile("tombstone", topic, None, odd, key=b"gone")
        yield Hostile("empty object", topic, b"{}", odd)
        yield Hostile("1,000 levels", topic, nested(1_000), (*odd, "too_deep", "not_otlp"))
    yield from _feedback()
    yield from _sessions()
    yield from _measurements()
    yield from _requests()


def _feedback() -> Iterator[Hostile]:
    def given(name: str, /, *reasons: str, **fields: Any) -> Hostile:
        body = orjson.dumps({"trace_id": "good-0", "score": 1.0, "author": name, **fields})
        return Hostile(f"feedback: {name}", Topics.FEEDBACK, body, reasons)

    yield given("score of 7", "out_of_range", score=7)
    yield given("score is text", *WRONG, score="good")
    yield given("time over the edge", *WRONG, time=OVER_THE_EDGE)
    yield given("NUL", *EITHER, trace_id="a\x00b", comment="\x00", label="\x00", name="\x00", span_id="\x00")
    yield given("long", *EITHER, trace_id=long_text(20), name=long_text(21), span_id=long_text(22))
    yield Hostile("NaN", Topics.FEEDBACK, b'{"trace_id":"good-0","score":NaN}', ("out_of_range", *UNREADABLE))


def good_member(**fields: Any) -> dict[str, Any]:
    """A record of `session_traces` as evaluate writes it, with some fields changed."""
    good = {"session_id": "s", "trace_id": "good-0", "fingerprint": "f", "event_time": "2026-01-01T00:00:00Z"}
    return {**good, **fields}


def _sessions() -> Iterator[Hostile]:
    def member(name: str, /, *reasons: str, **fields: Any) -> Hostile:
        return Hostile(f"member: {name}", Topics.SESSION_TRACES, orjson.dumps(good_member(**fields)), reasons)

    yield member("time over the edge", *WRONG, event_time=OVER_THE_EDGE)
    yield member("of no known trace", session_id="unknown", trace_id="never-seen")
    yield member("NUL", *EITHER, session_id="a\x00b", trace_id="\x00")
    yield member("long", *EITHER, session_id=long_text(30), trace_id=long_text(31))
    yield Hostile("empty session", Topics.SESSIONS, b'{"session_id":"empty","members":[]}', EITHER)


def good_measurement(**fields: Any) -> dict[str, Any]:
    """A record of `measurements` as evaluate writes it, with some fields changed."""
    good = {
        "source_topic": "traces",
        "source_partition": 900,
        "partition_count": PARTITIONS,
        "segments": [{"evaluator": "invented"}],
        "traces": ["t"],
        "segment": [0],
        "trace": [0],
        "outcome": ["scored"],
        "value": [1.0],
        "passed": [True],
        "time": [START_S],
        "inclusion": [1.0],
        "offset": [1],
    }
    return {**good, **fields}


def _measurements() -> Iterator[Hostile]:
    def columns(number: int, name: str, /, *reasons: str, **fields: Any) -> Hostile:
        body = orjson.dumps(good_measurement(**{"source_partition": 900 + number, **fields}))
        return Hostile(f"measurements: {name}", Topics.MEASUREMENTS, body, reasons)

    yield columns(1, "another partition count", "partition_count", partition_count=99)
    yield columns(2, "ragged columns", *WRONG, value=[1.0, 2.0])
    yield columns(3, "index that points nowhere", *WRONG, segment=[7])
    yield columns(4, "time beyond the calendar", *WRONG, time=[1e18])
    yield columns(5, "offset of 19 digits", *EITHER, offset=[2**63])
    yield columns(6, "huge value", *EITHER, value=[1e308])
    yield columns(7, "NUL", *EITHER, segments=[{"evaluator": "a\x00", "dimension": "\x00", "dimension_value": "\x00"}])
    yield columns(8, "long", *EITHER, segments=[{"evaluator": long_text(40), "project": long_text(41)}])
    yield columns(9, "vector of nothing", *WRONG, vectors={"0": "!!!"})
    yield columns(10, "NUL in the source", *EITHER, source_topic="\x00", traces=["\x00"])
    yield columns(11, "partition beyond 32 bits", *EITHER, source_partition=2**40)
    infinite = orjson.dumps(good_measurement(source_partition=912)).replace(b"[1.0]", b"[Infinity]", 1)
    yield Hostile("measurements: infinity", Topics.MEASUREMENTS, infinite, EITHER)


def good_request(**fields: Any) -> dict[str, Any]:
    """A record of `judge_requests` as evaluate writes it, with some fields changed."""
    good = {
        "trace_id": "invented",
        "target": "trace",
        "evaluator": "helpful",
        "evaluator_version": "old",
        "decisions": ["helpful"],
        "fingerprint": "f",
        "revision": 1,
        "views": [{"target_id": "", "target_digest": "f", "fields": {"input": "x"}}],
        "event_time": "2026-01-01T00:00:00Z",
        "requested_at": "2026-01-01T00:00:00Z",
        "source": {"topic": "traces", "partition": 0, "offset": 1},
    }
    return {**good, **fields}


def _requests() -> Iterator[Hostile]:
    def request(name: str, /, *reasons: str, **fields: Any) -> Hostile:
        return Hostile(f"request: {name}", Topics.JUDGE_REQUESTS, orjson.dumps(good_request(**fields)), reasons)

    yield request("of an evaluator that nobody has", *EITHER, evaluator="nobody", decisions=["nobody"])
    yield request("no views", *EITHER, views=[])
    yield request("probability of 0", *WRONG, inclusion_probability=0)
    yield request("time over the edge", *WRONG, event_time=OVER_THE_EDGE)
    yield request("NUL", *EITHER, trace_id="\x00", evaluator="\x00", decisions=["\x00"])
    yield request("long", *EITHER, trace_id=long_text(50), decisions=[long_text(51)])
    yield request("revision beyond 64 bits", *EITHER, revision=2**63)


def _with_nul() -> dict[str, Any]:
    nul = "a\x00b"
    return native(
        "with-nul",
        span(
            "a",
            kind="tool",
            name=nul,
            tool_name=nul,
            result=nul,
            arguments={nul: nul},
            attributes={nul: nul},
            status_message=nul,
        ),
        session_id=nul,
        user_id=nul,
        resource={nul: nul},
        project=nul,
    )
