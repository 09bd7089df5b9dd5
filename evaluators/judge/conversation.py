"""One conversation out of the spans of a trace (or of the traces of a session).

Agent spans repeat the conversation in every model call, sub-agents have conversations of their own, and some
instrumentations record tools only as spans. So messages are merged by content, in time order: a message is added as
often as the span that repeats it most often holds it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.trace import Message, Role, Span, ToolCall, Trace

from ..text import as_text


@dataclass(frozen=True, slots=True)
class Entry:
    """A message, or a tool call or result that stands in no message."""

    role: Role
    text: str
    calls: tuple[ToolCall, ...] = ()
    name: str | None = None
    call_id: str | None = None

    @property
    def key(self) -> tuple[str, str, tuple[tuple[str, str], ...]]:
        """Equal for repetitions of one message, whatever ids the instrumentation gave them."""
        return self.role, self.text.strip(), tuple((call.name, as_text(call.arguments)) for call in self.calls)


def of_trace(trace: Trace, until: datetime | None = None) -> list[Entry]:
    """Every message of the trace once, oldest first; `until` leaves out what came at that moment or later."""
    return _merged([trace], until)


def of_session(traces: Sequence[Trace]) -> list[Entry]:
    """As `of_trace`, over all traces: a later one that repeats the conversation so far adds only what is new."""
    return _merged(traces, None)


def of_messages(messages: Iterable[Message]) -> list[Entry]:
    """Messages as they are."""
    return [_entry(message) for message in messages]


def _merged(traces: Sequence[Trace], until: datetime | None) -> list[Entry]:
    groups: list[tuple[datetime, int, list[Entry], list[Entry]]] = []
    tools: list[tuple[datetime, Span]] = []
    for trace in traces:
        known = {digest: _entry(message) for digest, message in trace.messages.items()}
        for span in sorted(trace.spans, key=lambda s: (s.start, s.span_id)):
            inputs = [known[d] for d in span.input_messages if d in known]
            outputs = [known[d] for d in span.output_messages if d in known]
            if inputs:
                groups.append((span.start, 0, [], inputs))
            if outputs:
                groups.append((span.end, 1, inputs, outputs))
            if span.kind == "tool":
                tools.append((span.start, span))
    calls = [call for *_, entries in groups for entry in entries for call in entry.calls]
    spoken = {call.id for call in calls if call.id} | {(call.name, as_text(call.arguments)) for call in calls}
    answered = {entry.call_id for *_, entries in groups for entry in entries if entry.call_id}
    results = {entry.text.strip() for *_, entries in groups for entry in entries if entry.role == "tool"}
    for start, span in tools:
        result = as_text(span.result)
        if span.tool_call_id not in spoken and (span.tool_name, as_text(span.arguments)) not in spoken:
            call = ToolCall(name=span.tool_name or span.name, arguments=span.arguments, id=span.tool_call_id)
            groups.append((start, 2, [], [Entry("assistant", "", (call,))]))
        if span.tool_call_id not in answered and result and result.strip() not in results:
            groups.append((span.end, 3, [], [Entry("tool", result, (), span.tool_name, span.tool_call_id)]))
    return _in_order([group for group in groups if until is None or group[0] < until])


def _in_order(groups: list[tuple[datetime, int, list[Entry], list[Entry]]]) -> list[Entry]:
    merged: list[Entry] = []
    held: Counter[Any] = Counter()
    for _, _, before, entries in sorted(groups, key=lambda group: group[:2]):
        seen = Counter(entry.key for entry in before)
        for entry in entries:
            seen[entry.key] += 1
            if seen[entry.key] > held[entry.key]:
                held[entry.key] += 1
                merged.append(entry)
    return merged


def _entry(message: Message) -> Entry:
    text = message.content
    if message.parts:
        text = f"{text}\n[{len(message.parts)} parts that are no text]".strip()
    return Entry(message.role, text, message.tool_calls, message.name, message.tool_call_id)
