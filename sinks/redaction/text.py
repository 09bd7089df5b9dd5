"""One text: which rules it meets, and what becomes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import re2

from schemas.errors import ConfigError
from schemas.ids import Hasher

from .rules import Rule

_ESCAPES = (*tuple((b"\\" + escape, b" ") for escape in (b"n", b"r", b"t", b"f", b"b")), (b'\\"', b'"'))
TOKEN = re2.compile(r"\[[A-Z][A-Z0-9_]*:[0-9a-f]{6}\]")


class TextRedactor:
    """Applies rules to texts. One pass over a text tells which rules can match at all; most texts meet none."""

    def __init__(self, rules: Sequence[Rule], hasher: Hasher) -> None:
        self._hasher = hasher
        self._rules = [(rule, _compiled(rule)) for rule in rules]
        self._any = re2.Set.SearchSet()
        for rule in rules:
            self._any.Add(rule.pattern)
        if rules:
            self._any.Compile()

    def may_be_in(self, document: bytes) -> bool:
        """Whether a rule may match a text inside a JSON document, at the price of one look at the whole.

        Escapes are opened as far as the shipped rules look at what surrounds a value; a quotation mark stands where a
        text begins. So this never misses a match of theirs, but may see one that is none.
        """
        for escape, char in _ESCAPES:
            document = document.replace(escape, char)
        return bool(self._rules and self._any.Match(document.decode()))

    def redact(self, text: str, found: Counter[str]) -> str:
        """`text` with every value swapped for its token; `found` counts them by kind. What is a token stays."""
        hits = self._any.Match(text) if self._rules else ()
        if not hits:
            return text
        for index in sorted(hits):
            rule, pattern = self._rules[index]
            text = self._apply(rule, pattern, text, found)
        return text

    def _apply(self, rule: Rule, pattern: object, text: str, found: Counter[str]) -> str:
        tokens = [match.span() for match in TOKEN.finditer(text)]
        parts: list[str] = []
        done = 0
        for match in pattern.finditer(text):  # type: ignore[attr-defined]
            start, end = match.span(1 if match.re.groups else 0)
            value = text[start:end]
            if start < done or not value or not rule.holds(value) or _overlaps(tokens, start, end):
                continue
            parts += (text[done:start], self._hasher.token(rule.kind, value))
            found[rule.kind] += 1
            done = end
        return "".join((*parts, text[done:])) if parts else text


def _overlaps(tokens: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    return any(start < upto and since < end for since, upto in tokens)


def _compiled(rule: Rule) -> object:
    try:
        return re2.compile(rule.pattern)
    except re2.error as error:
        raise ConfigError(f"no RE2 pattern: {error}", path=f"redaction.rules.{rule.kind}") from None
