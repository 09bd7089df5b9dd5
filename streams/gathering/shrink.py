"""Making a trace fit into a record: every span is kept, the largest texts lose their middle and say so.

A trace of so many spans that this does not do leaves in several records. All but the last are `partial`: stored, and not
scored before the rest is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.errors import InvalidRecord
from schemas.merge import with_digests
from schemas.trace import Message, Span, Trace

SMALLEST_CHARS = 200
ROUNDS = 12
WHOLE = ("trace_id", "session_id", "user_id", "project", "environment", "resource", "incomplete")


def fitted(trace: Trace, limit: int) -> list[bytes]:
    """`trace` as records of at most `limit` bytes, one where possible.

    Raises
    ------
    InvalidRecord : ``too_large``: one span alone is larger than that with all its texts cut.
    """
    data = trace.to_bytes()
    if len(data) <= limit:
        return [data]
    trace = shrink(trace, limit)
    data = trace.to_bytes()
    if len(data) <= limit:
        return [data]
    if len(trace.spans) < 2:
        raise InvalidRecord("too_large", f"a span has {len(data)} bytes with all its texts cut")
    half = len(trace.spans) // 2
    first, rest = (
        _piece(trace, trace.spans[:half], partial=True),
        _piece(trace, trace.spans[half:], partial=trace.partial),
    )
    return [*fitted(first, limit), *fitted(rest, limit)]


def shrink(trace: Trace, limit: int) -> Trace:
    """`trace` with texts cut until its record is at most `limit` bytes; spans that lost something are `truncated`.

    The longest allowed text is halved until it fits. Digests stay: they are of what was received.
    """
    most, cut = 1 << 20, trace
    for _ in range(ROUNDS):
        cut = _cut(trace, most)
        if len(cut.to_bytes()) <= limit or most <= SMALLEST_CHARS:
            break
        most //= 2
    return cut


def _piece(trace: Trace, spans: tuple[Span, ...], *, partial: bool) -> Trace:
    """Some spans of a trace, with the messages and tools that they name."""
    named = {digest for span in spans for digest in (*span.input_messages, *span.output_messages)}
    sets = {span.tool_set for span in spans}
    piece = Trace(
        **{name: getattr(trace, name) for name in WHOLE},
        spans=spans,
        messages={digest: message for digest, message in trace.messages.items() if digest in named},
        tool_sets={digest: tools for digest, tools in trace.tool_sets.items() if digest in sets},
        partial=partial,
    )
    return with_digests(piece, [(span.span_id, span.digest) for span in spans])


def cut_middle(text: str, most: int) -> str:
    """`text` with its middle replaced by a mark when it is longer than `most` characters."""
    if len(text) <= most:
        return text
    half = max((most - 40) // 2, 20)
    return f"{text[:half]} …[{len(text) - 2 * half} characters cut]… {text[-half:]}"


def _cut(trace: Trace, most: int) -> Trace:
    messages = {digest: _cut_message(message, most) for digest, message in trace.messages.items()}
    shortened = {digest for digest, message in messages.items() if message is not trace.messages[digest]}
    spans = tuple(_cut_span(span, most, shortened) for span in trace.spans)
    resource = _cut_value(trace.resource, most)
    return trace.model_copy(update={"spans": spans, "messages": messages, "resource": resource})


def _cut_message(message: Message, most: int) -> Message:
    changed: dict[str, Any] = {}
    if len(message.content) > most:
        changed["content"] = cut_middle(message.content, most)
    for name in ("reasoning", "parts", "tool_calls"):
        before = getattr(message, name)
        after = _cut_calls(before, most) if name == "tool_calls" else _cut_value(before, most)
        if after != before:
            changed[name] = after
    return message.model_copy(update=changed) if changed else message


def _cut_calls(calls: tuple[Any, ...], most: int) -> tuple[Any, ...]:
    return tuple(call.model_copy(update={"arguments": _cut_value(call.arguments, most)}) for call in calls)


def _cut_span(span: Span, most: int, shortened: set[str]) -> Span:
    changed: dict[str, Any] = {}
    for name in ("attributes", "arguments", "result", "status_message", "documents"):
        before = getattr(span, name)
        after = _cut_value(before, most)
        if after != before:
            changed[name] = after
    if changed or shortened.intersection(span.input_messages + span.output_messages):
        changed["truncated"] = True
    return span.model_copy(update=changed) if changed else span


def _cut_value(value: Any, most: int) -> Any:
    if isinstance(value, str):
        return cut_middle(value, most)
    if isinstance(value, Mapping):
        return {key: _cut_value(item, most) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_cut_value(item, most) for item in value)
    return value
