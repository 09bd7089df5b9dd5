"""Which text of a target an evaluator looks at: the option `text`, shared by all that read text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

import orjson
from pydantic import Field

from schemas.settings import Section
from schemas.trace import Message, Span, SpanKind, Trace

from .depth import TooDeep, is_deeper
from .protocol import Target

MAX_DEPTH = 200

TextChoice = Literal["output", "input", "arguments", "result", "all"]
KINDS_WITH_TEXT: dict[TextChoice, frozenset[SpanKind]] = {
    "output": frozenset(("llm",)),
    "input": frozenset(("llm",)),
    "arguments": frozenset(("tool",)),
    "result": frozenset(("tool",)),
    "all": frozenset(("llm", "tool")),
}


class TextOptions(Section):
    """For evaluators that look at one text of the target."""

    text: TextChoice = Field(
        "output",
        description="output: what the model said, for a trace its final answer; input: the last user message; "
        "arguments and result: of a tool call; all: everything.",
    )


class Piece(NamedTuple):
    """A text and where it stands."""

    span_id: str | None
    path: str
    text: str


def pieces(target: Target, choice: TextChoice) -> list[Piece]:
    """The non-empty texts of `target`, in order; worked out once for all evaluators of the trace."""
    key = ("text", choice, None if target.span is None else target.span.span_id)
    found: list[Piece] | None = target.memo.get(key)
    if found is None:
        found = target.memo[key] = [_whole(piece) for piece in _pieces(target, choice) if piece.text]
    return found


def _pieces(target: Target, choice: TextChoice) -> Iterable[Piece]:
    if target.session is not None and choice == "all":
        return (piece for trace in target.session.traces for piece in _of_trace(trace, choice))
    if target.span is None:
        return _of_trace(target.trace, choice)
    return _of_span(target.trace, target.span, choice)


def _whole(piece: Piece) -> Piece:
    return piece if piece.text.isascii() else piece._replace(text=whole_text(piece.text))


def as_text(value: Any) -> str:
    """A tool's arguments or result as text: text as it is, anything else as JSON.

    Raises
    ------
    TooDeep
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS, default=_plain).decode()
    except orjson.JSONEncodeError:
        if is_deeper(value, MAX_DEPTH):
            raise TooDeep(f"nested deeper than {MAX_DEPTH} levels") from None
        return json.dumps(value, ensure_ascii=False, default=str)  # numbers and surrogates that orjson refuses


def whole_text(text: str) -> str:
    """The text without lone surrogates, which no pattern engine and no database takes."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def final_answer_span(trace: Trace) -> Span | None:
    """The span that holds the trace's final answer: the root where it tells its output, else the last model call that
    said something."""
    root = trace.root
    if root is not None and root.kind in ("agent", "llm") and _says(trace, root):
        return root
    calls = [span for span in trace.spans if span.kind == "llm" and _says(trace, span)]
    return max(calls, key=lambda span: (span.end, span.span_id), default=None)


def _says(trace: Trace, span: Span) -> bool:
    return any(message.content for message in trace.outputs(span))


def _of_trace(trace: Trace, choice: TextChoice) -> Iterator[Piece]:
    if choice in ("output", "input"):
        span = final_answer_span(trace)
        if span is not None:
            yield from _of_span(trace, span, choice)
        return
    seen: set[str] = set()
    for span in trace.spans:
        yield from _of_span(trace, span, choice, seen)


def _of_span(trace: Trace, span: Span, choice: TextChoice, seen: set[str] | None = None) -> Iterator[Piece]:
    if choice == "input":
        yield from _last_user_message(trace, span)
    if choice == "all":
        yield from _messages(span, "input_messages", trace.inputs(span), seen)
    if choice in ("output", "all"):
        yield from _messages(span, "output_messages", trace.outputs(span), seen)
    if choice in ("arguments", "all"):
        yield Piece(span.span_id, "arguments", as_text(span.arguments))
        for m, message in enumerate(trace.outputs(span)):
            for c, call in enumerate(message.tool_calls):
                yield Piece(span.span_id, f"output_messages[{m}].tool_calls[{c}].arguments", as_text(call.arguments))
    if choice in ("result", "all"):
        yield Piece(span.span_id, "result", as_text(span.result))


def _messages(span: Span, name: str, messages: Iterable[Message], seen: set[str] | None) -> Iterator[Piece]:
    for index, message in enumerate(messages):
        if seen is not None:
            if message.digest in seen:
                continue
            seen.add(message.digest)
        yield Piece(span.span_id, f"{name}[{index}].content", message.content)


def _last_user_message(trace: Trace, span: Span) -> Iterator[Piece]:
    messages = list(trace.inputs(span))
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].role == "user":
            yield Piece(span.span_id, f"input_messages[{index}].content", messages[index].content)
            return


def _plain(value: Any) -> Any:
    """Mappings and sequences that are no dict or list."""
    return dict(value) if hasattr(value, "keys") else list(value) if hasattr(value, "__iter__") else str(value)
