"""What a user's callable receives: a plain dict of the target.

::

    {"target": "span", "trace": {"trace_id": …, "project": …, "resource": {…}}, "span": {"span_id": …, "kind": "llm", …}}

A span has its messages and tools in place and its `duration_s`. A trace target has `trace["spans"]`, and so has a span
target of an evaluator with `context: trace`. A session target has `session["traces"]`.
"""

from __future__ import annotations

from typing import Any

from schemas.trace import Message, Span, Trace

from ..protocol import Context, Target

_SPAN_FIELDS = tuple(name for name in Span.model_fields if name not in ("digest", "findings", "remote_parent"))
_TRACE_FIELDS = (
    *("trace_id", "session_id", "user_id", "project", "environment", "incomplete"),
    *("revision", "fingerprint", "resource"),
)


def payload(target: Target, context: Context) -> dict[str, Any]:
    """The target on the wire: messages stand once, under their digest; `expand` says where the worker puts them in."""
    expand: list[list[str | int]] = []
    body: dict[str, Any] = {"target": "span", "expand": expand}
    traces: tuple[Trace, ...] = (target.trace,)
    if target.session is not None:
        traces = target.session.traces
        body["target"] = "session"
        body["session"] = {
            "session_id": target.session.session_id,
            "traces": [_trace(t, ["session", "traces", i], expand) for i, t in enumerate(traces)],
        }
    elif target.span is None or context == "trace":
        body["target"] = "trace" if target.span is None else "span"
        body["trace"] = _trace(target.trace, ["trace"], expand)
    else:
        body["trace"] = _head(target.trace)
    if target.span is not None:
        body["span"] = _span(target.span)
        expand.append(["span"])
    needed = _digests(traces, target.span if context == "span" else None)
    body["messages"] = {d: _message(m) for trace in traces for d, m in trace.messages.items() if d in needed}
    body["tool_sets"] = {d: tools for trace in traces for d, tools in trace.tool_sets.items() if d in needed}
    return body


def _digests(traces: tuple[Trace, ...], only: Span | None) -> set[str]:
    spans = [only] if only is not None else [span for trace in traces for span in trace.spans]
    found: set[str] = set()
    for span in spans:
        found.update(span.input_messages)
        found.update(span.output_messages)
        if span.tool_set is not None:
            found.add(span.tool_set)
    return found


def _head(trace: Trace) -> dict[str, Any]:
    return {name: getattr(trace, name) for name in _TRACE_FIELDS}


def _trace(trace: Trace, path: list[str | int], expand: list[list[str | int]]) -> dict[str, Any]:
    expand.extend([*path, "spans", index] for index in range(len(trace.spans)))
    return {**_head(trace), "spans": [_span(span) for span in trace.spans]}


def _span(span: Span) -> dict[str, Any]:
    view = {name: getattr(span, name) for name in _SPAN_FIELDS}
    view["usage"] = dict(span.usage) if span.usage is not None else None
    view["events"] = [dict(event) for event in span.events]
    view["duration_s"] = span.duration_s
    return view


def _message(message: Message) -> dict[str, Any]:
    view = dict(message)
    del view["digest"]
    view["tool_calls"] = [dict(call) for call in message.tool_calls]
    return view
