"""Which call of a model a tool span carried out, where its instrumentation does not say.

OpenInference, OpenLLMetry and MLflow write no call id on tool spans, and LangChain writes a single argument bare
(``Paris`` for ``{"city": "Paris"}``). A tool span is joined to a model's call of the same tool with the same
arguments, in order of time, where there are as many such spans as calls: everything else would be a guess. What was
received stands in the attribute `JOINED`, from where it returns when later spans make the join ambiguous.
"""

from __future__ import annotations

from collections.abc import Mapping

from .base import canonical_json
from .trace import Message, Span, ToolCall

JOINED = "evalstream.joined"

Key = tuple[str, bytes]


def join_tool_calls(spans: tuple[Span, ...], messages: Mapping[str, Message]) -> tuple[Span, ...]:
    """The spans, with call id and arguments of the model's calls on the tool spans that lack them."""
    spans = tuple(_as_received(span) if JOINED in span.attributes else span for span in spans)
    open_spans = [span for span in spans if span.kind == "tool" and _lacks(span)]
    if not open_spans:
        return spans
    taken = {span.tool_call_id for span in spans if span.kind == "tool" and not _lacks(span)}
    calls = [call for call in _calls(spans, messages) if call.id not in taken]
    joined: dict[str, Span] = {}
    by_call: dict[Key, list[ToolCall]] = {}
    for call in calls:
        for key in _keys_of_call(call):
            by_call.setdefault(key, []).append(call)
    by_span: dict[Key, list[Span]] = {}
    for span in open_spans:
        by_span.setdefault((span.tool_name or "", canonical_json(span.arguments)), []).append(span)
    for key, waiting in by_span.items():
        found = by_call.get(key, [])
        own = {span.tool_call_id for span in waiting if span.tool_call_id}
        if own:
            known = {call.id: call for call in found}
            pairs = [(span, known[span.tool_call_id]) for span in waiting if span.tool_call_id in known]
        else:
            pairs = list(zip(waiting, found, strict=True)) if len(found) == len(waiting) else []
        joined.update((span.span_id, _joined(span, call)) for span, call in pairs)
    return tuple(joined.get(span.span_id, span) for span in spans)


def _lacks(span: Span) -> bool:
    return span.tool_call_id is None or not isinstance(span.arguments, dict)


def _calls(spans: tuple[Span, ...], messages: Mapping[str, Message]) -> list[ToolCall]:
    """The calls that models asked for, each once, in order of time."""
    found: dict[str, ToolCall] = {}
    for span in spans:
        if span.kind == "llm":
            for digest in span.output_messages:
                for call in messages[digest].tool_calls if digest in messages else ():
                    if call.id:
                        found.setdefault(call.id, call)
    return list(found.values())


def _keys_of_call(call: ToolCall) -> list[Key]:
    """The arguments, and a single argument's bare text."""
    keys = [(call.name, canonical_json(call.arguments if call.arguments is not None else {}))]
    if isinstance(call.arguments, dict) and len(call.arguments) == 1:
        only = next(iter(call.arguments.values()))
        keys.append((call.name, canonical_json(only if isinstance(only, str) else str(only))))
    return keys


def _joined(span: Span, call: ToolCall) -> Span:
    received = {"tool_call_id": span.tool_call_id, "arguments": span.arguments}
    if received == {"tool_call_id": call.id, "arguments": call.arguments}:
        return span
    return span.model_copy(
        update={
            "tool_call_id": call.id,
            "arguments": call.arguments,
            "attributes": {**span.attributes, JOINED: received},
        }
    )


def _as_received(span: Span) -> Span:
    received = span.attributes[JOINED]
    others = {name: value for name, value in span.attributes.items() if name != JOINED}
    return span.model_copy(update={**received, "attributes": others}) if isinstance(received, dict) else span
