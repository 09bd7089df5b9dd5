"""One conversation out of the spans of a trace (or of the traces of a session).

Every model call repeats the conversation so far, sub-agents have conversations of their own, and some instrumentations
record tools only as spans. So messages are merged by content, in time order: a message is added as often as the span that
repeats it most often holds it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from schemas.trace import Message, Role, ToolCall, Trace

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


def stated_answer(trace: Trace) -> str | None:
    """What the root says that it answered, which may be other than its model's last words; a model call says its own."""
    root = trace.root
    messages = list(trace.outputs(root)) if root is not None and root.kind != "llm" else []
    if not messages or messages[-1].role != "assistant":
        return None
    return messages[-1].content.strip() or None


class _Group(NamedTuple):
    """Messages that a span was given or gave, at that moment; `before` are those they are added to."""

    time: datetime
    order: int
    before: list[Entry]
    entries: list[Entry]


def _merged(traces: Sequence[Trace], until: datetime | None) -> list[Entry]:
    groups = [group for trace in traces for group in _groups(trace) if until is None or group.time < until]
    merged: list[Entry] = []
    held: Counter[Any] = Counter()
    for group in sorted(groups, key=lambda group: group[:2]):
        seen = Counter(entry.key for entry in group.before)
        for entry in group.entries:
            seen[entry.key] += 1
            if seen[entry.key] > held[entry.key]:
                held[entry.key] += 1
                merged.append(entry)
    # Stands first where only later spans tell it.
    return sorted(merged, key=lambda entry: entry.role != "system")


def _groups(trace: Trace) -> list[_Group]:
    known = {digest: _entry(message) for digest, message in trace.messages.items()}
    groups = _spoken(trace, known)
    groups += _tools(trace, [entry for group in groups for entry in group.entries])
    answer, root = stated_answer(trace), trace.root
    if answer is not None and root is not None:
        told = {entry.text.strip() for group in groups for entry in group.entries if entry.role == "assistant"}
        if answer not in told:  # the agent answered otherwise than its model
            groups.append(_Group(root.end, 4, [], [Entry("assistant", answer)]))
    return groups


def _spoken(trace: Trace, known: Mapping[str, Entry]) -> list[_Group]:
    """Of the model calls; where they tell no content, of the agents; else of whatever does. What wraps a model call
    repeats its messages in an order of its own."""
    for kinds in (("llm",), ("agent",), ("other", "retrieval", "embedding")):
        groups = []
        for span in trace.spans:
            if span.kind not in kinds:
                continue
            inputs = [known[d] for d in span.input_messages if d in known]
            outputs = [known[d] for d in span.output_messages if d in known]
            if inputs:
                groups.append(_Group(span.start, 0, [], inputs))
            if outputs:
                repeats = {entry.key for entry in inputs} <= {entry.key for entry in outputs}
                groups.append(_Group(span.end, 1, [] if repeats else inputs, outputs))
        if groups:
            return groups
    return []


def _tools(trace: Trace, entries: list[Entry]) -> list[_Group]:
    """Calls and results that stand in tool spans only."""
    calls = [call for entry in entries for call in entry.calls]
    asked = {call.id for call in calls if call.id} | {(call.name, as_text(call.arguments)) for call in calls}
    answered = {entry.call_id for entry in entries if entry.call_id}
    results = {entry.text.strip() for entry in entries if entry.role == "tool"}
    groups = []
    for span in trace.spans:
        if span.kind != "tool":
            continue
        name, result = span.tool_name or span.name, as_text(span.result)
        if span.tool_call_id not in asked and (name, as_text(span.arguments)) not in asked:
            call = ToolCall(name=name, arguments=span.arguments, id=span.tool_call_id)
            groups.append(_Group(span.start, 2, [], [Entry("assistant", "", (call,))]))
        if span.tool_call_id not in answered and result and result.strip() not in results:
            groups.append(_Group(span.end, 3, [], [Entry("tool", result, (), span.tool_name, span.tool_call_id)]))
    return groups


def _entry(message: Message) -> Entry:
    text = message.content
    if message.parts:
        text = f"{text}\n[{len(message.parts)} parts that are no text]".strip()
    return Entry(message.role, text, message.tool_calls, message.name, message.tool_call_id)
