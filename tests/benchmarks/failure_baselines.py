"""What a few lines without thought would find: the baselines beside the evaluators of failure modes.

Each takes the tool spans of traces in order and yields the ids of spans it would blame.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import orjson

from schemas.trace import Span, Trace

Baseline = Callable[[Sequence[Trace]], Iterator[tuple[str, str]]]


def error_word(traces: Sequence[Trace]) -> Iterator[tuple[str, str]]:
    """The word "error" anywhere in a result."""
    for trace in traces:
        for span in tools(trace):
            if re.search("error", str(span.result), re.IGNORECASE):
                yield trace.trace_id, span.span_id


def last_shape(traces: Sequence[Trace]) -> Iterator[tuple[str, str]]:
    """A result whose keys and types differ from those of the last result of the same tool."""
    last: dict[str | None, Any] = {}
    for trace in traces:
        for span in tools(trace):
            shape = shape_of(span.result)
            if span.tool_name in last and last[span.tool_name] != shape:
                yield trace.trace_id, span.span_id
            last[span.tool_name] = shape


def previous_call(traces: Sequence[Trace]) -> Iterator[tuple[str, str]]:
    """The first of calls in a row of the same tool with the same arguments."""
    for trace in traces:
        calls = tools(trace)
        same = [(a.tool_name, a.arguments) == (b.tool_name, b.arguments) for a, b in pairwise(calls)]
        for place, again in enumerate(same):
            if again and not (place and same[place - 1]):
                yield trace.trace_id, calls[place].span_id


def slowest_span(traces: Sequence[Trace]) -> Iterator[tuple[str, str]]:
    """A span that lasts longer than half of its trace."""
    for trace in traces:
        whole = (trace.end - trace.start).total_seconds()
        for span in trace.spans:
            if span.kind != "agent" and span.duration_s > whole / 2:
                yield trace.trace_id, span.span_id


BASELINES: Mapping[str, Baseline] = {
    'regex "error"': error_word,
    "last shape": last_shape,
    "previous call": previous_call,
    "half the time": slowest_span,
}


def tools(trace: Trace) -> list[Span]:
    return sorted((s for s in trace.spans if s.kind == "tool"), key=lambda s: (s.start, s.span_id))


def shape_of(value: Any) -> Any:
    """Keys and types, without values; a list is the shape of its first item."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return "text"
    if isinstance(value, dict):
        return tuple(sorted((key, shape_of(item)) for key, item in value.items()))
    if isinstance(value, list):
        return ("list", shape_of(value[0]) if value else None)
    return type(value).__name__
