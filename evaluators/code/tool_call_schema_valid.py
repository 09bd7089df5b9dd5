"""Type `tool_call_schema_valid`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from schemas.score import Evidence
from schemas.trace import Span

from ..base import NoOptions
from ..call_evaluator import CallEvaluator
from ..depth import TooDeep
from ..json_schema import UnusableSchema, first_problem, validator_of
from ..protocol import Answer, Failure, Skip, Target, Verdict
from ..tool_calls import Asked, CallIndex, given_tools


class ToolCallSchemaValid(CallEvaluator[NoOptions]):
    """Fails where the arguments of a tool call break the parameters of the tool's definition.

    Catches missing, misspelt (where the definition forbids others) and wrongly typed arguments, and arguments that are
    no JSON. One decision a call: on the tool span that carries it out, else on the model call that asked for it. Judged
    is what the model wrote and what the tool was run with (there, arguments that a framework adds do not count). Calls
    of tools without a known definition are no targets (see `unknown_tool`); whether a well-formed value is the right one
    is not asked.
    """

    def judge_tool(self, target: Target, index: CallIndex, span: Span) -> Iterable[Answer]:
        return _judge_tool(index, span)

    def judge_asked(self, target: Target, span: Span, asked: Asked) -> Iterable[Answer]:
        definition = given_tools(target.trace, span).get(asked.call.name)
        return _some(_judge(asked.call.arguments, definition, span.span_id, f"{asked.path}.arguments"))


def _judge_tool(index: CallIndex, span: Span) -> Iterable[Answer]:
    asked, tools = index.asked(span), index.definitions(span)
    definition = tools.get(span.tool_name or "")
    if asked is None or (definition is not None and asked.call.name != span.tool_name):
        # Nobody asked for this, or for another tool under this call id: the span speaks for itself.
        if span.arguments is None and span.truncated and definition is not None:
            return (Skip("truncated"),)
        return _some(_judge(span.arguments, definition, span.span_id, "arguments"))
    definition = tools.get(asked.call.name)
    written = _judge(asked.call.arguments, definition, span.span_id, "arguments")
    if isinstance(written, Verdict) and written.passed is False:
        return (written,)
    run = _judge(_declared(span.arguments, definition), definition, span.span_id, "arguments")
    return _some(run if written is None or (isinstance(run, Verdict) and run.passed is False) else written)


def _declared(arguments: Any, definition: Mapping[str, Any] | None) -> Any:
    """What of a tool span's arguments the definition speaks of: a framework may add arguments of its own, and may tell
    them in a shape of its own, of which nothing can be said."""
    schema = definition.get("parameters") if definition is not None else None
    declared = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(arguments, dict) or not isinstance(declared, Mapping):
        return None
    return {name: value for name, value in arguments.items() if name in declared}


def _some(answer: Answer | None) -> Iterable[Answer]:
    return () if answer is None else (answer,)


def _judge(arguments: Any, definition: Mapping[str, Any] | None, span_id: str, path: str) -> Answer | None:
    schema = definition.get("parameters") if definition is not None else None
    if not schema or arguments is None:
        return None
    if isinstance(arguments, str):
        try:
            arguments = orjson.loads(arguments or "{}")
        except orjson.JSONDecodeError as error:
            return _invalid("no_json", f"the arguments are no JSON: {error.msg}", span_id, path)
    try:
        problem = first_problem(validator_of(schema), arguments)
    except UnusableSchema:
        return Skip("unusable_definition")
    except TooDeep as error:
        return Failure("TooDeep", f"the arguments are {error}")
    if problem is None:
        return Verdict(value=1.0, label="valid", passed=True)
    explanation = f"{problem.path.lstrip('.') or 'arguments'}: {problem.message}"
    return _invalid("invalid", explanation, span_id, path + problem.path)


def _invalid(label: str, explanation: str, span_id: str, path: str) -> Verdict:
    evidence = (Evidence(span_id=span_id, path=path),)
    return Verdict(value=0.0, label=label, passed=False, explanation=explanation, evidence=evidence)
