"""Type `length`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field, model_validator

from schemas.score import Evidence
from schemas.trace import SpanKind

from ..base import CodeEvaluator
from ..protocol import Answer, Target, Verdict
from ..text import KINDS_WITH_TEXT, TextOptions, pieces


class LengthOptions(TextOptions):
    unit: Literal["chars", "words"] = Field("chars", description="Characters, or what white space separates.")
    min: int | None = Field(None, ge=0, description="Shorter fails.")
    max: int | None = Field(None, ge=0, description="Longer fails.")

    @model_validator(mode="after")
    def _ordered(self) -> LengthOptions:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min ({self.min}) must not be above max ({self.max})")
        return self


class Length(CodeEvaluator[LengthOptions]):
    """Measures how long a text is; fails outside `min` and `max`, where given.

    The value is in the unit. Several texts of one target are added up. An empty output is no target, so watch its
    coverage, not its minimum.
    """

    Options = LengthOptions

    @classmethod
    def default_span_kinds(cls, options: LengthOptions) -> frozenset[SpanKind]:
        return KINDS_WITH_TEXT[options.text]

    def evaluate(self, target: Target) -> Iterable[Answer]:
        found = pieces(target, self.options.text)
        if not found:
            return ()
        options = self.options
        value = sum(len(p.text) if options.unit == "chars" else len(p.text.split()) for p in found)
        if options.min is None and options.max is None:
            return (Verdict(value=float(value)),)
        label = "within"
        if options.min is not None and value < options.min:
            label = "too_short"
        elif options.max is not None and value > options.max:
            label = "too_long"
        if label == "within":
            return (Verdict(value=float(value), label=label, passed=True),)
        limit = f"at least {options.min}" if label == "too_short" else f"at most {options.max}"
        evidence = (Evidence(span_id=found[0].span_id, path=found[0].path),)
        explanation = f"{value} {options.unit}; {limit} wanted"
        return (Verdict(value=float(value), label=label, passed=False, explanation=explanation, evidence=evidence),)
