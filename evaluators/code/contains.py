"""Type `contains`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from schemas.score import Evidence
from schemas.trace import SpanKind

from ..base import CodeEvaluator, Environment, Identity
from ..protocol import Answer, Target, Verdict
from ..text import KINDS_WITH_TEXT, TextOptions, pieces


class ContainsOptions(TextOptions):
    all_of: tuple[str, ...] = Field((), description="Texts of which each must occur.")
    any_of: tuple[str, ...] = Field((), description="Texts of which at least one must occur.")
    none_of: tuple[str, ...] = Field((), description="Texts of which none may occur.")
    case: Literal["sensitive", "insensitive"] = "sensitive"

    @field_validator("all_of", "any_of", "none_of", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("all_of", "any_of", "none_of")
    @classmethod
    def _not_empty(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not text for text in value):
            raise ValueError("an empty text occurs everywhere")
        return value

    @model_validator(mode="after")
    def _some(self) -> ContainsOptions:
        if not (self.all_of or self.any_of or self.none_of):
            raise ValueError("give at least one of all_of, any_of and none_of")
        return self


class Contains(CodeEvaluator[ContainsOptions]):
    """Fails where a text that must occur does not, or one that must not does.

    Compares characters, not words: `none_of: [cat]` also fails on "category"; for words use `regex` with `\\b`.
    """

    Options = ContainsOptions

    def __init__(self, identity: Identity, options: ContainsOptions, environment: Environment) -> None:
        super().__init__(identity, options, environment)
        self._all = [self._folded(text) for text in options.all_of]
        self._any = [self._folded(text) for text in options.any_of]
        self._none = [self._folded(text) for text in options.none_of]

    @classmethod
    def default_span_kinds(cls, options: ContainsOptions) -> frozenset[SpanKind]:
        return KINDS_WITH_TEXT[options.text]

    def evaluate(self, target: Target) -> Iterable[Answer]:
        found = pieces(target, self.options.text)
        if not found:
            return ()
        texts = [self._folded(piece.text) for piece in found]
        for wanted in self._none:
            for piece, text in zip(found, texts, strict=True):
                if wanted in text:
                    evidence = (Evidence(span_id=piece.span_id, path=piece.path, quote=wanted),)
                    return (_failed("unwanted", f"{wanted!r} occurs in {piece.path}", evidence),)
        evidence = (Evidence(span_id=found[0].span_id, path=found[0].path),)
        for wanted in self._all:
            if not any(wanted in text for text in texts):
                return (_failed("missing", f"{wanted!r} does not occur", evidence),)
        if self._any and not any(wanted in text for wanted in self._any for text in texts):
            return (_failed("missing", f"none of {', '.join(map(repr, self._any))} occurs", evidence),)
        return (Verdict(value=1.0, label="match", passed=True),)

    def _folded(self, text: str) -> str:
        return text if self.options.case == "sensitive" else text.casefold()


def _failed(label: str, explanation: str, evidence: tuple[Evidence, ...]) -> Verdict:
    return Verdict(value=0.0, label=label, passed=False, explanation=explanation, evidence=evidence)
