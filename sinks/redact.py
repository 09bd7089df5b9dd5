"""Redaction: personal data and secrets become typed tokens before anything is stored, published or shown to a judge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import orjson

from schemas.ids import Hasher
from schemas.settings.pipeline import RedactionSettings
from schemas.trace import Finding, Message, Span, SpanEvent, ToolCall, Trace

from .redaction import Scanner, preset_rules, user_rule
from .redaction.walk import PERSONAL_KEYS, SECRET_KEYS, Found, Path, Swaps

_SPAN_FIELDS = ("name", "status_message", "attributes", "arguments", "result", "documents")
_MESSAGE_FIELDS = ("content", "reasoning", "name", "parts")
_TRACE_FIELDS = ("session_id", "user_id", "resource")

SUSPECT = b"@ ://"
"""A document that no gate lets pass."""

Part = TypeVar("Part", Span, Message, Trace)
Tools = tuple[Mapping[str, Any], ...]


class Redactor:
    """Swaps values for tokens such as ``[EMAIL:3fa9c1]``: equal values give equal tokens, tokens are left alone.

    Digests are kept: they are keyed and of what stood there before. What was found is noted on the span, by kind and
    path, never the value; what a message held is noted on the earliest span that names it, and what the trace as a
    whole held on its root. Thread-safe.

    Raises
    ------
    ConfigError : a configured pattern is no RE2 regular expression.
    """

    def __init__(self, settings: RedactionSettings, hasher: Hasher) -> None:
        own = [user_rule(rule, f"redaction.rules[{i}].pattern") for i, rule in enumerate(settings.rules)]
        self._scanner = Scanner(settings.presets, preset_rules(settings.presets), own, hasher)
        self._keys: Mapping[str, str] = {
            **(PERSONAL_KEYS if "pii" in settings.presets else {}),
            **(SECRET_KEYS if "secrets" in settings.presets else {}),
        }

    def trace(self, trace: Trace) -> Trace:
        """The trace redacted; the same object when nothing was found."""
        parts = [trace, *trace.tool_sets.values(), *trace.messages.values(), *trace.spans]
        suspects = self._scanner.suspects([_document(part) for part in parts])
        if not suspects:
            return trace
        return _Rewrite(trace, self._scanner, self._keys, {id(parts[index]) for index in suspects}).result()

    def text(self, text: str) -> str:
        """One text redacted."""
        return self._scanner.swap(text)[0]

    def bytes(self, data: bytes) -> bytes:
        """Bytes of any encoding redacted, as far as what they hold is readable as it stands."""
        return self._scanner.swap(data.decode("latin-1"))[0].encode("latin-1", "replace")


class _Rewrite:
    """One trace with its values swapped. `suspects` are the ids of the objects to look into."""

    def __init__(self, trace: Trace, scanner: Scanner, keys: Mapping[str, str], suspects: set[int]) -> None:
        self._trace, self._suspects = trace, suspects
        self._values = Swaps(scanner, keys)
        self._schemas = Swaps(scanner, {})  # keys of a schema name parameters: what stands under them is no value
        self._noted: dict[str, Found] = {}

    def result(self) -> Trace:
        trace = self._trace
        update: dict[str, Any] = {}
        whole = Found()
        if id(trace) in self._suspects:
            update |= self._fields(trace, _TRACE_FIELDS, whole)
        tool_sets = {digest: self._tools(digest, tools) for digest, tools in trace.tool_sets.items()}
        if _differ(tool_sets.values(), trace.tool_sets.values()):
            update["tool_sets"] = tool_sets
        messages = {digest: self._message(digest, message) for digest, message in trace.messages.items()}
        if _differ(messages.values(), trace.messages.values()):
            update["messages"] = messages
        notes = self._notes(whole)
        spans = tuple(self._span(span, notes.get(span.span_id, [])) for span in trace.spans)
        if _differ(spans, trace.spans):
            update["spans"] = spans
        # Not model_copy: it would take along what is cached of the old spans.
        fields = {name: getattr(trace, name) for name in Trace.model_fields}
        return Trace.model_construct(**{**fields, **update}) if update else trace

    def _fields(self, part: Part, names: Iterable[str], found: Found) -> dict[str, Any]:
        """The named fields that change."""
        changed = {}
        for name in names:
            old = getattr(part, name)
            new = self._values.value(old, (None, name), found) if old else old
            if new is not old:
                changed[name] = new
        return changed

    def _message(self, digest: str, message: Message) -> Message:
        if id(message) not in self._suspects:
            return message
        found = Found()
        update = self._fields(message, _MESSAGE_FIELDS, found)
        calls = tuple(self._call(call, ((None, "tool_calls"), i), found) for i, call in enumerate(message.tool_calls))
        if _differ(calls, message.tool_calls):
            update["tool_calls"] = calls
        if found.counts:
            self._noted[digest] = found
        return message.model_copy(update=update) if update else message

    def _call(self, call: ToolCall, path: Path, found: Found) -> ToolCall:
        arguments = self._values.value(call.arguments, (path, "arguments"), found)
        return call if arguments is call.arguments else call.model_copy(update={"arguments": arguments})

    def _tools(self, digest: str, tools: Tools) -> Tools:
        if id(tools) not in self._suspects:
            return tools
        found = Found()
        new: Tools = self._schemas.value(tools, None, found)
        if found.counts:
            self._noted[digest] = found
        return new

    def _span(self, span: Span, noted: list[Finding]) -> Span:
        found = Found()
        update: dict[str, Any] = {}
        if id(span) in self._suspects:
            update = self._fields(span, _SPAN_FIELDS, found)
            events = tuple(self._event(event, ((None, "events"), i), found) for i, event in enumerate(span.events))
            if _differ(events, span.events):
                update["events"] = events
        if found.counts or noted:
            update["findings"] = (*span.findings, *_findings(found), *noted)
        return span.model_copy(update=update) if update else span

    def _event(self, event: SpanEvent, path: Path, found: Found) -> SpanEvent:
        attributes = self._values.value(event.attributes, (path, "attributes"), found)
        return event if attributes is event.attributes else event.model_copy(update={"attributes": attributes})

    def _notes(self, whole: Found) -> dict[str, list[Finding]]:
        """Findings outside the spans, each on the one span that is to carry it."""
        notes: dict[str, list[Finding]] = {}
        waiting = dict(self._noted)
        for span in sorted(self._trace.spans, key=lambda s: (s.start, s.span_id)) if waiting else ():
            named = [(f"output_messages[{i}]", digest) for i, digest in enumerate(span.output_messages)]
            named += [(f"input_messages[{i}]", digest) for i, digest in enumerate(span.input_messages)]
            named += [("tool_definitions", span.tool_set)] if span.tool_set else []
            for place, digest in named:
                if digest in waiting:
                    notes.setdefault(span.span_id, []).extend(_findings(waiting.pop(digest), place))
        root = self._trace.root
        if whole.counts and root is not None:
            notes.setdefault(root.span_id, []).extend(_findings(whole, "trace"))
        return notes


def _differ(new: Iterable[Any], old: Iterable[Any]) -> bool:
    return any(a is not b for a, b in zip(new, old, strict=True))


def _findings(found: Found, place: str = "") -> list[Finding]:
    return [
        Finding(kind=kind, path=".".join(filter(None, (place, path))).replace(".[", "["), count=count)
        for (kind, path), count in found.counts.items()
    ]


def _document(part: Any) -> bytes:
    """All that is looked at in a part, as JSON."""
    value: Any
    if isinstance(part, Message):
        calls = [call.arguments for call in part.tool_calls]
        value = (part.content, part.reasoning, part.name, part.parts, calls)
    elif isinstance(part, Span):
        value = (*(getattr(part, name) for name in _SPAN_FIELDS), [event.attributes for event in part.events])
    elif isinstance(part, Trace):
        value = [getattr(part, name) for name in _TRACE_FIELDS]
    else:
        value = part
    try:
        return orjson.dumps(value)
    except TypeError:  # huge integers, lone surrogates, keys that are no text, great depth
        return SUSPECT
