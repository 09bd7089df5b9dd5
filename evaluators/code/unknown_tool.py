"""Type `unknown_tool`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, ClassVar

from schemas.score import Evidence, TargetKind
from schemas.trace import Span, SpanKind

from ..base import CodeEvaluator, NoOptions
from ..protocol import Answer, Context, Target, Verdict
from ..tool_calls import CallIndex, given_tools


class UnknownTool(CodeEvaluator[NoOptions]):
    """Fails where a model calls a tool that it was not given: an invented action.

    One decision a call: on the tool span that carries it out, else on the model call that asked for it (many frameworks
    make no span for a tool that does not exist). Where the definitions are not in the trace, nothing can be said and
    there is no target. A tool that the program calls by itself is no target either.
    """

    default_context: ClassVar[Context] = "trace"
    targets: ClassVar[frozenset[TargetKind]] = frozenset(("span",))

    @classmethod
    def default_span_kinds(cls, options: NoOptions) -> frozenset[SpanKind]:
        return frozenset(("llm", "tool"))

    def evaluate(self, target: Target) -> Iterable[Answer]:
        index, span = CallIndex.of(target), target.span
        if span is None:
            return ()
        if span.kind == "tool":
            return _judge_tool(index, span)
        tools = given_tools(target.trace, span) if span.kind == "llm" else {}
        if not tools:
            return ()
        calls = index.not_carried_out(span)
        for asked in calls:
            if asked.call.name not in tools:
                return (_unknown(asked.call.name, tools, span, f"{asked.path}.name"),)
        return (Verdict(value=1.0, label="known", passed=True),) if calls else ()


def _judge_tool(index: CallIndex, span: Span) -> Iterable[Answer]:
    tools = index.definitions(span)
    asked = index.asked(span)
    # What the model wrote counts: frameworks give tool spans names of their own, with a prefix for instance.
    names = {name for name in (asked.call.name if asked is not None else None, span.tool_name) if name}
    if not tools or not names:
        return ()
    if names & tools.keys():
        return (Verdict(value=1.0, label="known", passed=True),)
    return (_unknown(span.tool_name or min(names), tools, span, "tool_name"),)


def _unknown(name: str, tools: Mapping[str, Any], span: Span, path: str) -> Verdict:
    near = get_close_matches(name, tools, n=1, cutoff=0.6)
    hint = f"; the nearest is {near[0]!r}" if near else ""
    evidence = (Evidence(span_id=span.span_id, path=path, quote=name),)
    explanation = f"there is no tool {name!r} among the {len(tools)} that the model was given{hint}"
    return Verdict(value=0.0, label="unknown", passed=False, explanation=explanation, evidence=evidence)
