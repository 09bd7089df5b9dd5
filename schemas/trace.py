"""A trace of an agent run, with every repeated message held once.

The shape is independent of the instrumentation that produced it: dialects (``schemas.otlp``) and native JSON
(``schemas.native``) are read into these classes and nothing downstream knows where a span came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from .base import MAX_ID_BYTES, Int64, Record, UtcDatetime, is_id
from .ids import MAX_ID_CHARS, bounded_id


def _identity(value: str) -> str:
    """Ids are keys in every database: short, and without control characters."""
    if not (0 < len(value) <= MAX_ID_CHARS and value.isprintable() and is_id(value)):
        raise ValueError(f"must be 1 to {MAX_ID_CHARS} printable characters, at most {MAX_ID_BYTES} bytes")
    return value


Id = Annotated[str, AfterValidator(_identity)]
GroupId = Annotated[str, AfterValidator(bounded_id)]
SpanKind = Literal["agent", "llm", "tool", "retrieval", "embedding", "other"]
Role = Literal["system", "user", "assistant", "tool"]
Status = Literal["unset", "ok", "error"]


class ToolCall(Record):
    """A call that a model asked for. `arguments` is the parsed JSON, or the raw text where it is none."""

    name: str
    arguments: Any = None
    id: str | None = None


class Message(Record):
    """One message of a conversation.

    `content` is its text; what is no text (images, audio) stands in `parts` as received. `reasoning` is what a
    model thought aloud. `digest` is keyed and from before redaction.
    """

    digest: str
    role: Role
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None
    reasoning: str | None = None
    parts: tuple[Any, ...] = ()


class Usage(Record):
    """Tokens of one model call. On a parent span only what its children do not already count."""

    input_tokens: Int64 | None = None
    output_tokens: Int64 | None = None
    cached_input_tokens: Int64 | None = None
    reasoning_tokens: Int64 | None = None


class SpanEvent(Record):
    """An event on a span, such as an exception."""

    name: str
    time: UtcDatetime
    attributes: Mapping[str, Any] = {}


class Finding(Record):
    """What redaction found and replaced: `kind` as in the token, `path` inside the span, how often."""

    kind: str
    path: str
    count: int = 1


class Span(Record):
    """One step. Fields that do not apply to its kind are None; `attributes` keeps what no dialect claimed."""

    span_id: Id
    parent_id: Id | None = None
    remote_parent: bool = False
    name: str
    kind: SpanKind = "other"
    digest: Id | Literal[""] = ""
    start: UtcDatetime
    end: UtcDatetime
    status: Status = "unset"
    status_message: str = ""
    error_type: str | None = None
    attributes: Mapping[str, Any] = {}
    events: tuple[SpanEvent, ...] = ()
    truncated: bool = False
    findings: tuple[Finding, ...] = ()
    agent_name: str | None = None
    # model calls; messages and tool definitions by digest, resolved through the trace
    provider: str | None = None
    request_model: str | None = None
    response_model: str | None = None
    input_messages: tuple[str, ...] = ()
    output_messages: tuple[str, ...] = ()
    tool_set: str | None = None
    usage: Usage | None = None
    finish_reasons: tuple[str, ...] = ()
    prompt_name: str | None = None
    prompt_version: str | None = None
    time_to_first_token_s: float | None = None
    # tool calls
    tool_name: str | None = None
    tool_call_id: str | None = None
    arguments: Any = None
    result: Any = None
    # retrievals
    documents: tuple[Any, ...] = ()

    @property
    def duration_s(self) -> float:
        return (self.end - self.start).total_seconds()


class Trace(Record):
    """The spans known under one trace id.

    `revision` is the number of distinct (span id, digest) pairs ever seen, `fingerprint` their identity.
    `incomplete`: an age or size limit cut it. `partial`: it left early and is stored but not scored yet.
    """

    schema_version: Literal[1] = 1
    trace_id: Id
    session_id: GroupId | None = None
    user_id: GroupId | None = None
    project: str = ""
    environment: str = ""
    spans: tuple[Span, ...]
    messages: Mapping[str, Message] = {}
    tool_sets: Mapping[str, tuple[Mapping[str, Any], ...]] = {}
    resource: Mapping[str, Any] = {}
    incomplete: bool = False
    partial: bool = False
    revision: int = 0
    fingerprint: str = ""

    @cached_property
    def by_id(self) -> Mapping[str, Span]:
        return {span.span_id: span for span in self.spans}

    @cached_property
    def children(self) -> Mapping[str | None, tuple[Span, ...]]:
        """Spans by parent, in start order; spans whose parent is not here stand under None."""
        found: dict[str | None, list[Span]] = {}
        for span in sorted(self.spans, key=lambda s: (s.start, s.span_id)):
            parent = span.parent_id if span.parent_id in self.by_id and span.parent_id != span.span_id else None
            found.setdefault(parent, []).append(span)
        return {parent: tuple(spans) for parent, spans in found.items()}

    @cached_property
    def root(self) -> Span | None:
        """The first span without a parent here; of a trace with nothing but cycles, the earliest span."""
        tops = self.children.get(None) or tuple(sorted(self.spans, key=lambda s: (s.start, s.span_id)))
        return tops[0] if tops else None

    @property
    def start(self) -> datetime:
        return min(span.start for span in self.spans)

    @property
    def end(self) -> datetime:
        return max(span.end for span in self.spans)

    def inputs(self, span: Span) -> Iterator[Message]:
        """The messages a span was given, in order; one that was cut away is left out."""
        return (self.messages[d] for d in span.input_messages if d in self.messages)

    def outputs(self, span: Span) -> Iterator[Message]:
        """The messages a span answered with."""
        return (self.messages[d] for d in span.output_messages if d in self.messages)

    def tools(self, span: Span) -> tuple[Mapping[str, Any], ...]:
        """The tool definitions a model call was given: ``{"name", "description"?, "parameters"?}`` each."""
        return self.tool_sets.get(span.tool_set, ()) if span.tool_set else ()


class Session(Record):
    """The traces of one conversation, oldest first. `fingerprint` hashes the set of (trace id, fingerprint)."""

    session_id: str
    project: str = ""
    environment: str = ""
    traces: tuple[Trace, ...]
    revision: int = 0
    fingerprint: str = ""
