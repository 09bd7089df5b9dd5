"""Type `argument_provenance`."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

import orjson
from pydantic import Field

from schemas.score import Evidence
from schemas.settings import Section
from schemas.trace import Span, Trace

from ..call_evaluator import CallEvaluator
from ..depth import TooDeep
from ..protocol import Answer, Failure, Skip, Target, Verdict
from ..provenance import Identifier, Known, identifiers, known_before
from ..tool_calls import Asked, CallIndex, given_tools

MAX_EVIDENCE = 5


class ArgumentProvenanceOptions(Section):
    ignore_tools: tuple[str, ...] = Field((), description="Globs of tools whose identifiers may come from nowhere.")
    ignore_arguments: tuple[str, ...] = Field(
        (), description="Globs of argument paths to leave out, such as `*.request_id`."
    )


class ArgumentProvenance(CallEvaluator[ArgumentProvenanceOptions]):
    """Fails where a tool call names something by an identifier that the model cannot have read: an invented id.

    Looked at are identifiers among the arguments, by key (`user_id`, `order_number`) or by shape (`BD446U`, a UUID, an
    e-mail address). Known is what the model was given: system prompt, user messages, tool definitions with their
    examples, earlier tool results and retrieved documents; its own earlier words are no source. The same value in other
    case or format, the ending of a known one, and one joined from known parts pass, and so do numbers, dates, amounts
    and enumerated values. The value is the share of identifiers that are known. A call without identifiers is no
    target; where part of the context is missing from the trace an unknown identifier is skipped (`incomplete_context`).
    """

    Options = ArgumentProvenanceOptions

    def judge_tool(self, target: Target, index: CallIndex, span: Span) -> Iterable[Answer]:
        asked = index.asked(span)
        if asked is None and target.once("provenance:calls", _shows_calls):
            return ()  # called by the program, not by a model
        written = span.arguments if asked is None else asked.call.arguments
        name = span.tool_name or (asked.call.name if asked is not None else "")
        return self._judge(target, span, asked, name, written, "arguments")

    def judge_asked(self, target: Target, span: Span, asked: Asked) -> Iterable[Answer]:
        return self._judge(target, span, asked, asked.call.name, asked.call.arguments, f"{asked.path}.arguments")

    def _judge(
        self, target: Target, span: Span, asked: Asked | None, name: str, arguments: Any, path: str
    ) -> list[Answer]:
        if any(fnmatchcase(name, glob) for glob in self.options.ignore_tools):
            return []
        model = asked.span if asked is not None else None
        definition = given_tools(target.trace, model).get(name) if model is not None else None
        try:
            found = identifiers(_parsed(arguments), (definition or {}).get("parameters"), name)
        except TooDeep as error:
            return [Failure("TooDeep", f"the arguments are {error}")]
        found = [each for each in found if not any(fnmatchcase(each.path, g) for g in self.options.ignore_arguments)]
        if not found:
            return []
        known = known_before(target, span, model)
        unseen = [each for each in found if not known.has(each.text)]
        if unseen and not known.complete:
            return [Skip("incomplete_context")]
        return [_verdict(found, unseen, known, span, name, path)]


def _verdict(
    found: list[Identifier], unseen: list[Identifier], known: Known, span: Span, name: str, path: str
) -> Verdict:
    value = 1.0 - len(unseen) / len(found)
    if not unseen:
        return Verdict(value=value, label="known", passed=True)
    listed = ", ".join(f"{each.path.lstrip('.')} {each.text!r}" for each in unseen[:MAX_EVIDENCE])
    return Verdict(
        value=value,
        label="invented",
        passed=False,
        explanation=f"{name}: {listed} appears nowhere in what the model was given before the call "
        f"({len(known.texts)} messages, results and definitions): look it up or ask the user instead of guessing",
        evidence=tuple(
            Evidence(span_id=span.span_id, path=path + each.path, quote=each.text) for each in unseen[:MAX_EVIDENCE]
        ),
    )


def _parsed(arguments: Any) -> Any:
    if not isinstance(arguments, str):
        return arguments
    try:
        return orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return None  # see tool_call_schema_valid


def _shows_calls(trace: Trace) -> bool:
    return any(m.tool_calls for span in trace.spans if span.kind == "llm" for m in trace.outputs(span))
