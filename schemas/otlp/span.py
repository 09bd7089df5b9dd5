"""A draft that all dialects have read, as our `Span`."""

from __future__ import annotations

import math
from typing import Any

from ..ids import Hasher
from ..messages import MessageBook, parse_json
from ..trace import Span, SpanEvent, SpanKind, Status, Usage
from .dialect import Draft
from .dialects import dialects_of
from .io import read_input_output
from .raw import RawSpan, moment
from .tool_io import read_tool_fields
from .words import finish_reasons

SESSION, USER = "session.id", "user.id"
UNREADABLE = "evalstream.unreadable"
_STATUS: dict[int, Status] = {0: "unset", 1: "ok", 2: "error"}
_TEXT_FIELDS = ("provider", "request_model", "response_model", "prompt_name", "prompt_version", "agent_name")
_TOKENS = ("input_tokens", "output_tokens", "cached_input_tokens", "reasoning_tokens")


def read_span(raw: RawSpan, hasher: Hasher, book: MessageBook) -> Span:
    """Decode one span; the messages and tool definitions it names are put into the book.

    A span whose contents no reader was prepared for is kept as it came, with the attribute `UNREADABLE`: one odd
    value must not cost the record.
    """
    try:
        return _read(raw, hasher, book)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        return _span(
            Draft(raw, book), hasher, "other", {"attributes": {**raw.attributes, UNREADABLE: repr(error)[:200]}}
        )


def _read(raw: RawSpan, hasher: Hasher, book: MessageBook) -> Span:
    draft = Draft(raw, book)
    for dialect in dialects_of(raw):
        draft.apply(dialect)
    kind = draft.kind or "other"
    read_input_output(draft, kind)
    status = _STATUS.get(raw.status_code, "unset")
    fields: dict[str, Any] = {name: _text(draft.fields.get(name)) for name in _TEXT_FIELDS}
    if kind == "tool":
        fields.update(read_tool_fields(draft))
    else:
        fields.update(_conversation(draft))
    if kind == "llm":
        fields["usage"] = _usage(draft)
    else:
        _give_back(draft, _TOKENS)
    fields["error_type"] = _error_type(draft, status)
    fields["time_to_first_token_s"] = _seconds(draft.fields.get("time_to_first_token_s"))
    fields["documents"] = _documents(draft.fields.get("documents"))
    fields["attributes"] = _attributes(draft)
    return _span(draft, hasher, kind, fields)


def _span(draft: Draft, hasher: Hasher, kind: SpanKind, fields: dict[str, Any]) -> Span:
    raw = draft.raw
    return Span(
        span_id=raw.span_id,
        parent_id=raw.parent_id,
        remote_parent=raw.remote_parent,
        name=raw.name,
        kind=kind,
        digest=raw.digest(hasher),
        start=moment(raw.start_ns),
        end=moment(max(raw.start_ns, raw.end_ns)),
        status=_STATUS.get(raw.status_code, "unset"),
        status_message=raw.status_message,
        events=tuple(SpanEvent(name=e.name, time=moment(e.time_ns), attributes=e.attributes) for e in draft.events),
        truncated=raw.dropped_attributes > 0,
        **fields,
    )


def _conversation(draft: Draft) -> dict[str, Any]:
    """Messages, tool definitions and finish reasons of a span that is no tool call."""
    book, fields = draft.book, draft.fields
    inputs, outputs, reasons = draft.inputs, draft.outputs, draft.reasons
    if "inputs" in fields:
        inputs = book.add(fields["inputs"], "user")[0] + inputs
    if "outputs" in fields:
        read, said = book.add(fields["outputs"], "assistant")
        outputs, reasons = read + outputs, said + reasons
    if "system" in fields:
        system = book.add_system(fields["system"])
        inputs = system + inputs if system and inputs[: len(system)] != system else inputs
    if len(outputs) > len(inputs) > 0 and outputs[: len(inputs)] == inputs:
        outputs = outputs[len(inputs) :]
    return {
        "input_messages": inputs,
        "output_messages": outputs,
        "tool_set": book.add_tools(fields["tool_definitions"]) if "tool_definitions" in fields else None,
        "finish_reasons": finish_reasons(fields["finish_reasons"])
        if "finish_reasons" in fields
        else finish_reasons(reasons),
    }


def _usage(draft: Draft) -> Usage | None:
    counts = {name: _count(draft.fields.get(name)) for name in _TOKENS}
    _give_back(draft, tuple(name for name in _TOKENS if counts[name] is None))
    if all(count is None for count in counts.values()):
        return None
    total = draft.attributes.get("gen_ai.usage.total_tokens")
    if total is not None and total == (counts["input_tokens"] or 0) + (counts["output_tokens"] or 0):
        del draft.attributes["gen_ai.usage.total_tokens"]
    return Usage(**counts)


def _give_back(draft: Draft, names: tuple[str, ...]) -> None:
    """Tokens of a span that is no model call, and what is no count, stay what they were: attributes."""
    for name in names:
        if name in draft.names and draft.fields.get(name) is not None:
            draft.attributes[draft.names[name]] = draft.fields[name]


def _attributes(draft: Draft) -> dict[str, Any]:
    raw, found = draft.raw, draft.attributes
    for name, field in ((SESSION, "session_id"), (USER, "user_id")):
        said = _text(draft.fields.get(field))
        if said:
            found[name] = said
    if raw.scope.name:
        found["otel.scope.name"] = raw.scope.name
    if raw.scope.version:
        found["otel.scope.version"] = raw.scope.version
    for name, value in raw.scope.attributes.items():
        found.setdefault(f"otel.scope.{name}", value)
    if raw.trace_state:
        found["otel.trace_state"] = raw.trace_state
    if raw.links:
        found["otel.links"] = [{"trace_id": link.trace_id, "span_id": link.span_id} for link in raw.links]
    if raw.end_ns < raw.start_ns:
        found["otel.end_before_start"] = raw.end_ns
    return found


def _documents(value: Any) -> tuple[Any, ...]:
    found = parse_json(value, value) if isinstance(value, str) else value
    return tuple(found) if isinstance(found, list) else () if found is None else (found,)


def _error_type(draft: Draft, status: Status) -> str | None:
    said = _text(draft.fields.get("error_type"))
    if said or status != "error":
        return said
    for event in draft.events:
        if event.name == "exception" and isinstance(event.attributes.get("exception.type"), str):
            return event.attributes["exception.type"]
    return None


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int | float) else None


def _count(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    if isinstance(value, int | float) and 0 <= value < 2**63:
        return int(value)
    return None


def _seconds(value: Any) -> float | None:
    """A time to first token. Whole numbers are milliseconds (Strands), fractions seconds (OpenTelemetry)."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = value / 1000
    return value if isinstance(value, float) and math.isfinite(value) and value >= 0 else None
