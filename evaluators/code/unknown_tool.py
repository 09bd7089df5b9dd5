"""Type `unknown_tool`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from schemas.score import Evidence
from schemas.trace import Span

from ..base import NoOptions
from ..call_evaluator import CallEvaluator
from ..protocol import Answer, Target, Verdict
from ..tool_calls import Asked, CallIndex, given_tools


class UnknownTool(CallEvaluator[NoOptions]):
    """Fails where a model calls a tool that it was not given: an invented action.

    One decision a call: on the tool span that carries it out, else on the model call that asked for it (many frameworks
    make no span for a tool that does not exist). Where the definitions are not in the trace, nothing can be said and
    there is no target. A tool that the program calls by itself is no target either.
    """

    def judge_tool(self, target: Target, index: CallIndex, span: Span) -> Iterable[Answer]:
        tools, asked = index.definitions(span), index.asked(span)
        # What the model wrote counts: frameworks give tool spans names of their own, with a prefix for instance.
        names = {name for name in (asked.call.name if asked is not None else None, span.tool_name) if name}
        if not tools or not names:
            return ()
        if names & tools.keys():
            return (_KNOWN,)
        return (_unknown(span.tool_name or min(names), tools, span, "tool_name"),)

    def judge_asked(self, target: Target, span: Span, asked: Asked) -> Iterable[Answer]:
        tools = given_tools(target.trace, span)
        if not tools:
            return ()
        name = asked.call.name
        return (_KNOWN if name in tools else _unknown(name, tools, span, f"{asked.path}.name"),)


_KNOWN = Verdict(value=1.0, label="known", passed=True)


def _unknown(name: str, tools: Mapping[str, Any], span: Span, path: str) -> Verdict:
    near = get_close_matches(name, tools, n=1, cutoff=0.6)
    hint = f"; the nearest is {near[0]!r}" if near else ""
    evidence = (Evidence(span_id=span.span_id, path=path, quote=name),)
    explanation = f"there is no tool {name!r} among the {len(tools)} that the model was given{hint}"
    return Verdict(value=0.0, label="unknown", passed=False, explanation=explanation, evidence=evidence)
