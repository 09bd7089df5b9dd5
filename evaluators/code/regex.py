"""Type `regex`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field, field_validator, model_validator

from schemas.patterns import compiled
from schemas.score import Evidence
from schemas.trace import SpanKind

from ..base import CodeEvaluator, Environment, Identity
from ..protocol import Answer, Target, Verdict
from ..text import KINDS_WITH_TEXT, TextOptions, pieces

QUOTE_CHARS = 120


class RegexOptions(TextOptions):
    must_match: tuple[str, ...] = Field((), description="RE2 patterns of which each must be found in the text.")
    must_not_match: tuple[str, ...] = Field((), description="RE2 patterns of which none may be found.")

    @field_validator("must_match", "must_not_match", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("must_match", "must_not_match")
    @classmethod
    def _compile(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            compiled(pattern)
        return value

    @model_validator(mode="after")
    def _some(self) -> RegexOptions:
        if not self.must_match and not self.must_not_match:
            raise ValueError("give at least one of must_match and must_not_match")
        return self


class Regex(CodeEvaluator[RegexOptions]):
    """Fails where a pattern that must be found is not, or one that must not is.

    Patterns are RE2 (https://github.com/google/re2/wiki/Syntax): no look-around and no back-references, and in return
    no pattern takes longer than linear time. A pattern is searched anywhere; anchor it with `^` and `$`.
    """

    Options = RegexOptions

    def __init__(self, identity: Identity, options: RegexOptions, environment: Environment) -> None:
        super().__init__(identity, options, environment)
        self._wanted = [compiled(pattern) for pattern in options.must_match]
        self._unwanted = [compiled(pattern) for pattern in options.must_not_match]

    @classmethod
    def default_span_kinds(cls, options: RegexOptions) -> frozenset[SpanKind]:
        return KINDS_WITH_TEXT[options.text]

    def evaluate(self, target: Target) -> Iterable[Answer]:
        found = pieces(target, self.options.text)
        if not found:
            return ()
        for pattern in self._unwanted:
            for piece in found:
                if match := pattern.search(piece.text):
                    quote = match.group(0)[:QUOTE_CHARS]
                    evidence = (Evidence(span_id=piece.span_id, path=piece.path, quote=quote),)
                    return (_failed("unwanted", f"{pattern.pattern!r} is found in {piece.path}", evidence),)
        for pattern in self._wanted:
            if not any(pattern.search(piece.text) for piece in found):
                evidence = (Evidence(span_id=found[0].span_id, path=found[0].path),)
                return (_failed("missing", f"{pattern.pattern!r} is not found", evidence),)
        return (Verdict(value=1.0, label="match", passed=True),)


def _failed(label: str, explanation: str, evidence: tuple[Evidence, ...]) -> Verdict:
    return Verdict(value=0.0, label=label, passed=False, explanation=explanation, evidence=evidence)
