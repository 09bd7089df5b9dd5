"""Traces that no client would send, and every evaluator must survive: cycles, no root, spans from the future, deep
nesting, lone surrogates, dangling references."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from schemas.trace import Finding, Message, Span, ToolCall, Trace, Usage

_IDS = st.sampled_from(["a", "b", "c", "d", "e"])
_DIGESTS = st.sampled_from(["m0", "m1", "m2", "m3", "gone"])
_TEXTS = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            *(
                "",
                "Error: no such user",
                '{"a": [1, 2',
                "```json\n{}\n```",
                "\ud800 lone",
                "\x00",
                "a" * 5000,
                "[" * 2000,
            ),
            *("I'm sorry, but I can't help with that.", "mail me: jane.doe@example.com", "4111 1111 1111 1111"),
            *(
                "<html><title>502 Bad Gateway</title>",
                "Traceback (most recent call last):\n  x\nKeyError: 1",
                "+" * 300,
            ),
        ]
    ),
)
_NAMES = st.text(max_size=10)
_DIGESTS = st.text("0123456789abcdef", max_size=10)
_TRACE_IDS = st.text("0aé:-", min_size=1, max_size=10)
_TIMES = st.datetimes(
    min_value=datetime(1970, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)
)  # spans may end before they start, and lie in the future
_KEYS = st.sampled_from(["a", "error", "status", "success", "message", "content", "city", "é", "\ud800", ""])
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_KEYS, inner, max_size=2),
    max_leaves=4,
)


def nested(depth: int) -> Any:
    """A value of `depth` levels."""
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


_VALUES = st.one_of(_JSON, st.sampled_from([20, 200]).map(nested))
_MODELS = st.none() | st.sampled_from(["gpt-4o", "gpt-4o-2024-08-06", "", "other"])
_COUNTS = st.none() | st.integers(min_value=0, max_value=2**62)
_CALLS = st.builds(
    ToolCall,
    name=st.sampled_from(["weather", "nope", ""]),
    arguments=_VALUES,
    id=st.none() | st.sampled_from(["c1", "c2"]),
)
_TOOLS = st.fixed_dictionaries(
    {"name": st.sampled_from(["weather", "other", "", 5])},
    optional={
        "parameters": st.sampled_from(
            [
                {
                    "type": "object",
                    "properties": {"city": {"type": "string", "pattern": "^(a+)+$"}},
                    "required": ["city"],
                },
                {"type": "nonsense"},
                {"$ref": "http://example.com/schema"},
                {"$ref": "#"},
                {"pattern": "(?=x)(a+)+$"},
                [],
                "text",
                nested(200),
            ]
        )
    },
)


@st.composite
def _spans(draw: st.DrawFn, span_id: str) -> Span:
    return Span(
        span_id=span_id,
        parent_id=draw(st.none() | _IDS),
        name=draw(_NAMES),
        kind=draw(st.sampled_from(["agent", "llm", "tool", "retrieval", "embedding", "other"])),
        digest=draw(_DIGESTS),
        start=draw(_TIMES),
        end=draw(_TIMES),
        status=draw(st.sampled_from(["unset", "ok", "error"])),
        error_type=draw(st.none() | _NAMES),
        attributes=draw(st.dictionaries(_KEYS, _VALUES, max_size=3)),
        truncated=draw(st.booleans()),
        findings=tuple(draw(st.lists(st.builds(Finding, kind=_NAMES, path=_NAMES, count=st.integers()), max_size=2))),
        response_model=draw(_MODELS),
        request_model=draw(_MODELS),
        input_messages=tuple(draw(st.lists(_DIGESTS, max_size=3))),
        output_messages=tuple(draw(st.lists(_DIGESTS, max_size=2))),
        tool_set=draw(st.none() | st.sampled_from(["t0", "gone"])),
        usage=draw(
            st.none() | st.builds(Usage, input_tokens=_COUNTS, output_tokens=_COUNTS, cached_input_tokens=_COUNTS)
        ),
        prompt_name=draw(st.none() | _NAMES),
        tool_name=draw(st.none() | st.sampled_from(["weather", "nope", ""])),
        tool_call_id=draw(st.none() | st.sampled_from(["c1", "c2"])),
        arguments=draw(_VALUES),
        result=draw(_VALUES),
    )


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """Any trace that fits the records."""
    ids = draw(st.lists(_IDS, min_size=1, max_size=3, unique=True))
    messages = {
        digest: Message(
            digest=digest,
            role=draw(st.sampled_from(["system", "user", "assistant", "tool"])),
            content=draw(_TEXTS),
            tool_calls=tuple(draw(st.lists(_CALLS, max_size=2))),
        )
        for digest in ("m0", "m1", "m2", "m3")
    }
    return Trace(
        trace_id=draw(_TRACE_IDS),
        session_id=draw(st.none() | _NAMES),
        spans=tuple(draw(_spans(span_id)) for span_id in ids),
        messages=messages,
        tool_sets={"t0": tuple(draw(st.lists(_TOOLS, max_size=3)))},
        resource=draw(st.dictionaries(_KEYS, _VALUES, max_size=3)),
        incomplete=draw(st.booleans()),
        fingerprint=draw(_NAMES),
        revision=draw(st.integers(min_value=0, max_value=5)),
    )
