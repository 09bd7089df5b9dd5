"""Texts of a trace where they first occur: a model call repeats the whole conversation, a tool span what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from schemas.trace import Span, Trace

from .depth import TooDeep
from .protocol import Target
from .text import as_text, whole_text
from .tool_calls import CallIndex

Source = Literal["prompt", "said", "arguments", "result"]


class FreshText(NamedTuple):
    """A text that no earlier span of the trace shows: where it stands, and who wrote it."""

    span_id: str
    path: str
    text: str
    source: Source


def fresh_texts(target: Target) -> list[FreshText]:
    """The texts that the target's span is the first to show, in order; of a trace all.

    Arguments stand on the tool span that was run with them, and results on the span that returned them; where a client
    makes no tool spans, both stand on model calls.
    """
    found: Mapping[str, list[FreshText]] = target.once("fresh", _by_span)
    if target.span is not None:
        return found.get(target.span.span_id, [])
    return [text for span in target.trace.spans for text in found.get(span.span_id, ())]


def _by_span(trace: Trace) -> Mapping[str, list[FreshText]]:
    index = CallIndex.of(Target(trace))
    seen = {digest for span in trace.spans if span.kind in ("llm", "agent") for digest in span.output_messages}
    results = {span.tool_call_id for span in trace.spans if span.kind == "tool" and span.tool_call_id}
    answers = {text for span in trace.spans if span.kind == "tool" and (text := _plain(span.result))}
    found: dict[str, list[FreshText]] = {}
    for span in sorted(trace.spans, key=lambda s: (s.start, s.kind == "agent", s.span_id)):
        here: list[FreshText] = []
        if span.kind in ("llm", "agent"):
            for place, digest in enumerate(span.input_messages):
                message = trace.messages.get(digest)
                if message is None or digest in seen:
                    continue
                seen.add(digest)
                if message.role == "tool" and (message.tool_call_id in results or message.content in answers):
                    continue
                source: Source = "result" if message.role == "tool" else "prompt"
                here.append(FreshText(span.span_id, f"input_messages[{place}].content", message.content, source))
        if span.kind == "llm":
            here += _said(trace, span, index)
        elif span.kind in ("tool", "retrieval"):
            here.append(FreshText(span.span_id, "arguments", _plain(span.arguments), "arguments"))
            here.append(FreshText(span.span_id, "result", _plain(span.result), "result"))
            here += [
                FreshText(span.span_id, f"documents[{place}]", _plain(document), "result")
                for place, document in enumerate(span.documents)
            ]
        here = [
            text if text.text.isascii() else text._replace(text=whole_text(text.text)) for text in here if text.text
        ]
        if here:
            found[span.span_id] = here
    return found


def _said(trace: Trace, span: Span, index: CallIndex) -> list[FreshText]:
    found = [
        FreshText(span.span_id, f"output_messages[{place}].content", message.content, "said")
        for place, message in enumerate(trace.outputs(span))
    ]
    for asked in index.not_carried_out(span):
        found.append(FreshText(span.span_id, f"{asked.path}.arguments", _plain(asked.call.arguments), "arguments"))
    return found


def _plain(value: Any) -> str:
    """Text as it is, anything else as JSON; what is nested beyond reason is left out, other evaluators tell of it."""
    try:
        return as_text(value)
    except TooDeep:
        return ""
