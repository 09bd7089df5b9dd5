"""Redaction: the first thing that happens to a trace, before it is stored or shown to a judge.

Each value is swapped for a typed, keyed token such as ``[EMAIL:3fa9c1]``: equal values keep being equal, and nobody
without the key can confirm a guess. Digests stay, for they are from before. Doing it twice changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson

from schemas.ids import Hasher
from schemas.settings import RedactionSettings
from schemas.trace import Finding, Message, Span, ToolCall, Trace

from .redaction.rules import PRESETS, Rule
from .redaction.text import TextRedactor

SPAN_FIELDS = ("name", "status_message", "attributes", "arguments", "result", "documents", "events")
MESSAGE_FIELDS = ("content", "reasoning", "parts", "tool_calls", "name")


class Redactor:
    """The configured rules. Thread-safe.

    Raises
    ------
    ConfigError : a rule of the configuration is no RE2 pattern.
    """

    def __init__(self, settings: RedactionSettings, hasher: Hasher) -> None:
        rules = [rule for name in settings.presets for rule in PRESETS[name]]
        rules += [Rule(rule.name.upper(), rule.pattern) for rule in settings.rules]
        self._texts = TextRedactor(rules, hasher)
        self._has_own_rules = bool(settings.rules)

    def text(self, text: str) -> str:
        """One text."""
        return self._texts.redact(text, Counter())

    def bytes(self, data: bytes) -> bytes:
        """Raw bytes, as far as they are text."""
        return self.text(data.decode("utf-8", "backslashreplace")).encode()

    def trace(self, trace: Trace) -> Trace:
        """The trace without the values; what was found stands in the spans' `findings`. The same object when there is
        nothing to find."""
        work = _Work(self._texts, look_closely=self._has_own_rules)
        messages, of_messages = self._messages(trace, work)
        spans = tuple(self._span(span, work, of_messages.get(span.span_id, ())) for span in trace.spans)
        changed: dict[str, Any] = {}
        if any(new is not old for new, old in zip(spans, trace.spans, strict=True)):
            changed["spans"] = spans
        if messages:
            changed["messages"] = {**trace.messages, **messages}
        for name in ("tool_sets", "resource", "user_id", "session_id"):
            old = getattr(trace, name)
            new = work.whole(old)
            if new is not old:
                changed[name] = new
        return trace.model_copy(update=changed) if changed else trace

    def _messages(self, trace: Trace, work: _Work) -> tuple[dict[str, Message], dict[str, list[Finding]]]:
        """The messages that changed, and what was found in them, by the first span that names each."""
        changed: dict[str, Message] = {}
        findings: dict[str, list[Finding]] = {}
        first: dict[str, str] = {}
        for span in sorted(trace.spans, key=lambda s: (s.start, s.span_id)):
            for digest in (*span.input_messages, *span.output_messages):
                first.setdefault(digest, span.span_id)
        for digest, message in trace.messages.items():
            new, found = work.fields(message, MESSAGE_FIELDS, f"messages.{digest[:8]}")
            if new is not message:
                changed[digest] = new
            if found and digest in first:
                findings.setdefault(first[digest], []).extend(found)
        return changed, findings

    @staticmethod
    def _span(span: Span, work: _Work, of_messages: tuple[Finding, ...] | list[Finding]) -> Span:
        new, found = work.fields(span, SPAN_FIELDS, "")
        if not found and not of_messages:
            return new
        return new.model_copy(update={"findings": (*span.findings, *found, *of_messages)})


class _Work:
    """One trace: equal texts are looked at once."""

    def __init__(self, texts: TextRedactor, *, look_closely: bool) -> None:
        self._texts, self._look_closely = texts, look_closely
        self._known: dict[str, tuple[str, Counter[str]]] = {}
        self._found: Counter[str] = Counter()

    def fields(self, record: Any, names: tuple[str, ...], prefix: str) -> tuple[Any, list[Finding]]:
        """`record` with the named fields redacted, and what was found, by field."""
        changed: dict[str, Any] = {}
        findings: list[Finding] = []
        for name in names:
            old = getattr(record, name)
            if not old:
                continue
            self._found = Counter()
            new = self.whole(old)
            if new is not old:
                changed[name] = new
            path = ".".join(part for part in (prefix, name) if part)
            findings += [Finding(kind=kind, path=path, count=n) for kind, n in sorted(self._found.items())]
        return (record.model_copy(update=changed) if changed else record), findings

    def whole(self, value: Any) -> Any:
        """As `value`; of the shipped rules most values meet none, and one look at all of it tells."""
        if isinstance(value, str) or self._look_closely:
            return self.value(value)
        return self.value(value) if self._texts.may_be_in(_document(value)) else value

    def value(self, value: Any) -> Any:
        """Any JSON value, or a record's part; the same object when nothing in it changes."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            pairs = {self._text(key) if isinstance(key, str) else key: self.value(item) for key, item in value.items()}
            same = all(new is old for new, old in zip(pairs.values(), value.values(), strict=False))
            return value if same and pairs.keys() == value.keys() else pairs
        if isinstance(value, list | tuple):
            items = [self.value(item) for item in value]
            return value if all(new is old for new, old in zip(items, value, strict=True)) else type(value)(items)
        if isinstance(value, ToolCall):
            arguments = self.value(value.arguments)
            return value if arguments is value.arguments else value.model_copy(update={"arguments": arguments})
        if hasattr(value, "attributes"):
            attributes = self.value(value.attributes)
            return value if attributes is value.attributes else value.model_copy(update={"attributes": attributes})
        return value

    def _text(self, text: str) -> str:
        known = self._known.get(text)
        if known is None:
            found: Counter[str] = Counter()
            new = self._texts.redact(text, found)
            known = self._known[text] = (text if new == text else new, found)
        self._found += known[1]
        return known[0] if known[0] != text else text


def _document(value: Any) -> bytes:
    try:
        return orjson.dumps(value, default=_parts_of, option=orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:  # nested too deeply, or a lone surrogate: let the walk decide
        return b"someone@example.com"


def _parts_of(value: Any) -> Any:
    """For orjson: what of a record is looked at."""
    if isinstance(value, ToolCall):
        return value.arguments
    if hasattr(value, "attributes"):
        return value.attributes
    return None
