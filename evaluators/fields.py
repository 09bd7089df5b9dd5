"""What a filter can ask about: the fields of `span` and `trace`, as plain values.

The tables are the grammar's vocabulary: a filter that names another field is refused when the configuration is read,
and docs/evaluators/filters.md lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from schemas.trace import Span, Trace

MAX_DEPTH = 16
TOO_DEEP = "[too deep]"


class Field(NamedTuple):
    """A field: how it is read, and what it is."""

    read: Callable[[Any], Any]
    type: str
    about: str


SPAN_FIELDS: Mapping[str, Field] = {
    "id": Field(lambda s: s.span_id, "string", "span id"),
    "parent_id": Field(lambda s: s.parent_id, "string or null", "parent span id"),
    "name": Field(lambda s: s.name, "string", "span name"),
    "kind": Field(lambda s: s.kind, "string", "agent, llm, tool, retrieval, embedding or other"),
    "status": Field(lambda s: s.status, "string", "unset, ok or error"),
    "status_message": Field(lambda s: s.status_message, "string", "text of the status"),
    "error_type": Field(lambda s: s.error_type, "string or null", "class of the error"),
    "duration_s": Field(lambda s: s.duration_s, "double", "seconds from start to end"),
    "truncated": Field(lambda s: s.truncated, "bool", "the client or we cut some of it"),
    "agent_name": Field(lambda s: s.agent_name, "string or null", "agent"),
    "provider": Field(lambda s: s.provider, "string or null", "model provider"),
    "request_model": Field(lambda s: s.request_model, "string or null", "model asked for"),
    "response_model": Field(lambda s: s.response_model, "string or null", "model that answered"),
    "finish_reasons": Field(lambda s: list(s.finish_reasons), "list of strings", "why the model stopped"),
    "input_tokens": Field(lambda s: s.usage.input_tokens if s.usage else None, "int or null", "tokens read"),
    "output_tokens": Field(lambda s: s.usage.output_tokens if s.usage else None, "int or null", "tokens written"),
    "prompt_name": Field(lambda s: s.prompt_name, "string or null", "prompt"),
    "prompt_version": Field(lambda s: s.prompt_version, "string or null", "version of the prompt"),
    "tool_name": Field(lambda s: s.tool_name, "string or null", "tool"),
    "arguments": Field(lambda s: bounded(s.arguments), "any", "arguments of a tool call"),
    "result": Field(lambda s: bounded(s.result), "any", "result of a tool call"),
    "attributes": Field(
        lambda s: bounded(s.attributes), "map", 'other attributes, flat: `span.attributes["http.route"]`'
    ),
}


def _root(trace: Trace) -> Any:
    return trace.root


TRACE_FIELDS: Mapping[str, Field] = {
    "id": Field(lambda t: t.trace_id, "string", "trace id"),
    "session_id": Field(lambda t: t.session_id, "string or null", "session"),
    "user_id": Field(lambda t: t.user_id, "string or null", "user"),
    "project": Field(lambda t: t.project, "string", "project"),
    "environment": Field(lambda t: t.environment, "string", "environment"),
    "incomplete": Field(lambda t: t.incomplete, "bool", "a limit has cut it"),
    "span_count": Field(lambda t: len(t.spans), "int", "number of spans"),
    "error_count": Field(lambda t: sum(s.status == "error" for s in t.spans), "int", "spans with status error"),
    "duration_s": Field(
        lambda t: (t.end - t.start).total_seconds() if t.spans else 0.0,
        "double",
        "seconds from first start to last end",
    ),
    "tool_names": Field(lambda t: _distinct(s.tool_name for s in t.spans), "list of strings", "tools called"),
    "models": Field(
        lambda t: _distinct(s.response_model or s.request_model for s in t.spans),
        "list of strings",
        "models that answered",
    ),
    "agent_names": Field(lambda t: _distinct(s.agent_name for s in t.spans), "list of strings", "agents"),
    "prompt_names": Field(lambda t: _distinct(s.prompt_name for s in t.spans), "list of strings", "prompts"),
    "root": Field(_root, "map", "the root span, with the fields of `span`"),
}


def span_view(span: Span, fields: frozenset[str]) -> dict[str, Any]:
    """The named fields of a span."""
    return {name: field.read(span) for name, field in SPAN_FIELDS.items() if name in fields}


def trace_view(trace: Trace, fields: frozenset[str]) -> dict[str, Any]:
    """The named fields of a trace; the root span with those that are fields of a span."""
    view = {name: field.read(trace) for name, field in TRACE_FIELDS.items() if name in fields}
    if (root := view.get("root")) is not None:
        view["root"] = span_view(root, fields)
    return view


def bounded(value: Any, depth: int = MAX_DEPTH) -> Any:
    """A plain copy, cut at `depth` levels: deeper data would exhaust the stack of the filter engine."""
    if isinstance(value, Mapping):
        return {str(k): bounded(v, depth - 1) for k, v in value.items()} if depth else TOO_DEEP
    if isinstance(value, list | tuple):
        return [bounded(v, depth - 1) for v in value] if depth else TOO_DEEP
    return value


def _distinct(values: Any) -> list[str]:
    return sorted({value for value in values if value})
