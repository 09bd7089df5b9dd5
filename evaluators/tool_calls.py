"""Which tool span carries out which call of which model, and which tools that model was given.

Clients tell this in different ways: call ids that join, call ids that do not, no ids at all; a span for each tool, or
none for a tool that does not exist. Worked out once for a trace (``target.once("tool_calls", CallIndex)``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from schemas.trace import Span, ToolCall, Trace

from .protocol import Target


class Asked(NamedTuple):
    """A call that a model asked for, and where it says so."""

    span: Span
    path: str
    call: ToolCall


class CallIndex:
    """Calls and tool spans of one trace, joined.

    A tool span is joined to the latest earlier call with its call id (where ids repeat, to one with equal arguments, else
    the join is in doubt); without one, to a call of the same name and
    arguments; without one, to a call of the same name. A call with an id is carried out when any tool span has that id:
    wrappers report one model call in two spans.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._calls = list(_calls(trace))
        self._doubtful: set[str] = set()
        self._by_span = dict(self._joined())
        joined = {id(asked.call) for asked in self._by_span.values()}
        ids = {span.tool_call_id for span in trace.spans if span.kind == "tool" and span.tool_call_id}
        self._open: dict[str, list[Asked]] = {}
        for asked in self._calls:
            if id(asked.call) not in joined and asked.call.id not in ids:
                self._open.setdefault(asked.span.span_id, []).append(asked)

    @classmethod
    def of(cls, target: Target) -> CallIndex:
        """The index of the target's trace."""
        return target.once("tool_calls", cls)

    def asked(self, tool: Span) -> Asked | None:
        """The call that a tool span carries out, where that is certain."""
        return None if tool.span_id in self._doubtful else self._by_span.get(tool.span_id)

    def not_carried_out(self, model: Span) -> list[Asked]:
        """Calls that a model asked for and no tool span carries out."""
        return self._open.get(model.span_id, [])

    def definitions(self, tool: Span) -> Mapping[str, Mapping[str, Any]]:
        """The tools, by name, given to the model that called `tool`; empty when they are not known.

        A tool span that no visible call joins was called by the program, not by the model, unless the trace shows no
        calls at all (content is not captured): then the nearest earlier model call counts.
        """
        asked = self._by_span.get(tool.span_id)
        if asked is not None:
            return given_tools(self._trace, asked.span)
        if self._calls:
            return {}
        before = [s for s in self._trace.spans if s.kind == "llm" and s.start <= tool.start]
        nearest = max(before, key=lambda s: (s.start, s.span_id), default=None)
        return given_tools(self._trace, nearest) if nearest is not None else {}

    def _joined(self) -> Iterator[tuple[str, Asked]]:
        tools = sorted((s for s in self._trace.spans if s.kind == "tool"), key=lambda s: (s.start, s.span_id))
        by_id: dict[str, list[Asked]] = {}
        for asked in self._calls:
            if asked.call.id:
                by_id.setdefault(asked.call.id, []).append(asked)
        rest = []
        for tool in tools:
            same = by_id.get(tool.tool_call_id or "")
            if same:
                equal = [each for each in same if each.call.name == tool.tool_name and _same_arguments(each, tool)]
                if len(same) > 1 and not equal:
                    self._doubtful.add(tool.span_id)
                yield tool.span_id, _latest_before(equal or same, tool)
            else:
                rest.append(tool)
        known = {tool.tool_call_id for tool in tools}
        free = [asked for asked in self._calls if not asked.call.id or asked.call.id not in known]
        for tool in rest:
            found = _same_call(free, tool)
            if found is not None:
                free.remove(found)
                yield tool.span_id, found


def given_tools(trace: Trace, model: Span) -> Mapping[str, Mapping[str, Any]]:
    """The tools a model was given, by name.

    Some clients tell them on a span inside the model call (the raw request), others on the agent span around it.
    """
    for span in (model, *trace.children.get(model.span_id, ()), *_ancestors(trace, model)):
        tools = {tool["name"]: tool for tool in trace.tools(span) if isinstance(tool.get("name"), str)}
        if tools:
            return tools
    return {}


def _ancestors(trace: Trace, span: Span) -> Iterator[Span]:
    """Parents upwards; a cycle ends."""
    seen = {span.span_id}
    parent = trace.by_id.get(span.parent_id or "")
    while parent is not None and parent.span_id not in seen:
        yield parent
        seen.add(parent.span_id)
        parent = trace.by_id.get(parent.parent_id or "")


def _calls(trace: Trace) -> Iterator[Asked]:
    """All calls, in time order."""
    for span in sorted((s for s in trace.spans if s.kind == "llm"), key=lambda s: (s.start, s.span_id)):
        for m, message in enumerate(trace.outputs(span)):
            for c, call in enumerate(message.tool_calls):
                yield Asked(span, f"output_messages[{m}].tool_calls[{c}]", call)


def _latest_before(asked: list[Asked], tool: Span) -> Asked:
    """Call ids repeat within some traces; clocks of two hosts differ."""
    earlier = [each for each in asked if each.span.start <= tool.start]
    return earlier[-1] if earlier else asked[0]


def _same_call(free: list[Asked], tool: Span) -> Asked | None:
    named = [each for each in free if each.call.name == tool.tool_name]
    if not named:
        return None
    exact = [each for each in named if _same_arguments(each, tool)]
    return _latest_before(exact, tool) if exact else _latest_before(named, tool)


def _same_arguments(asked: Asked, tool: Span) -> bool:
    try:
        return bool(asked.call.arguments == tool.arguments)
    except RecursionError:
        return False
