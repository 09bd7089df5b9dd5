"""Applying rules: one cheap search over everything, then the rules that can match on the few texts that may hold
something."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import re2

from schemas.errors import ConfigError
from schemas.ids import Hasher
from schemas.personal_data import Rule

from .rules import GATES

SET_MEMORY_BYTES = 64 << 20
_PROBE = "evalstream-probe"
_SEPARATOR = b"\n\x1f\n"


class Scanner:
    """Finds values and swaps them for tokens. Thread-safe.

    Parameters
    ----------
    presets : names of the presets that `rules` came from; their gates decide what is looked at.
    own : rules of the user, which have no gate: with them everything is looked at.
    """

    def __init__(self, presets: Sequence[str], rules: Sequence[Rule], own: Sequence[Rule], hasher: Hasher) -> None:
        self._rules, self._hasher = (*own, *rules), hasher
        self._gate = re2.compile("|".join(GATES[name] for name in presets).encode()) if presets and not own else None
        self._all_suspect = bool(own)
        self._any = _set_of(self._rules)

    def suspects(self, documents: Sequence[bytes]) -> set[int]:
        """Indices of the JSON documents that may hold something; no other does."""
        if self._all_suspect:
            return set(range(len(documents)))
        if self._gate is None:
            return set()
        starts = list(accumulate((len(document) + len(_SEPARATOR) for document in documents), initial=0))
        everything = _SEPARATOR.join(documents)
        return {bisect_right(starts, match.start()) - 1 for match in self._gate.finditer(everything)}

    def swap(self, text: str) -> tuple[str, Counter[str]]:
        """The text with each value as a token, and how many of each kind there were."""
        counts: Counter[str] = Counter()
        if not self._rules:
            return text, counts
        readable = _readable(text)
        for index in sorted(self._any.Match(readable) or ()):
            if index < len(self._rules):
                readable = self._apply(self._rules[index], readable, counts)
        return (readable if counts else text), counts

    def token(self, kind: str, value: str) -> str:
        """The token of a value."""
        return self._hasher.token(kind, value)

    def _apply(self, rule: Rule, text: str, counts: Counter[str]) -> str:
        pieces, done = [], 0
        group = 1 if rule.pattern.groups else 0
        for match in rule.pattern.finditer(text):
            start, end = match.span(group)
            if start < done or start == end or not rule.accepts(text, start, end):
                continue
            pieces += [text[done:start], self._hasher.token(rule.kind, text[start:end])]
            done = end
            counts[rule.kind] += 1
        return text if not pieces else "".join((*pieces, text[done:]))


def _set_of(rules: Sequence[Rule]) -> Any:
    """Tells in one pass which rules match a text."""
    options = re2.Options()
    options.max_mem = SET_MEMORY_BYTES
    patterns = re2.Set.SearchSet(options)
    for rule in rules:
        patterns.Add(rule.pattern.pattern)
    patterns.Add(_PROBE)
    patterns.Compile()
    if not patterns.Match(_PROBE):  # the binding does not say whether it could
        raise ConfigError("the redaction patterns are too large together", path="redaction.rules")
    return patterns


def _readable(text: str) -> str:
    """RE2 reads UTF-8, which has no lone surrogates."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
