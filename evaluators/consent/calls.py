"""The calls that a span stands for: those that a model asked for, each judged once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from schemas.trace import Span

from ..protocol import Target
from ..tool_calls import CallIndex, given_tools


class Call(NamedTuple):
    """A call, the model call that asked for it (None: the program's own, or the trace does not tell), and where it stands
    in the span that is judged."""

    tool: str
    arguments: Any
    definition: Mapping[str, Any]
    model: Span | None
    path: str


def calls_of(target: Target) -> Iterator[Call]:
    """A tool span's call; of a model call those that no span carries out."""
    index, span = CallIndex.of(target), target.span
    if span is None:
        return
    if span.kind == "tool":
        asked = index.asked(span)
        name = asked.call.name if asked is not None else span.tool_name or ""
        arguments = asked.call.arguments if asked is not None else span.arguments
        definition = index.definitions(span).get(name, {})
        if name:
            yield Call(name, _parsed(arguments), definition, asked.span if asked is not None else None, "arguments")
    elif span.kind == "llm":
        tools = given_tools(target.trace, span)
        for asked in index.not_carried_out(span):
            yield Call(
                asked.call.name,
                _parsed(asked.call.arguments),
                tools.get(asked.call.name, {}),
                span,
                f"{asked.path}.arguments",
            )


def _parsed(arguments: Any) -> Any:
    if not isinstance(arguments, str):
        return arguments
    try:
        return orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments
