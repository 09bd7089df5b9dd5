"""Type `tool_error_as_success`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from pydantic import Field

from schemas.score import Evidence, TargetKind
from schemas.settings import Section
from schemas.trace import SpanKind

from ..base import CodeEvaluator
from ..protocol import Answer, Target, Verdict
from ..steps import Steps

EXCERPT_CHARS = 80


class ToolErrorAsSuccessOptions(Section):
    min_probability: float = Field(0.5, gt=0, le=1, description="A sign at least this sure fails.")


class ToolErrorAsSuccess(CodeEvaluator[ToolErrorAsSuccessOptions]):
    """Fails where a tool's result reports a failure although the call counts as a success.

    Rules look for error lines, tracebacks, exception names, HTTP status lines and error pages, XML faults, failure
    envelopes in JSON (`{"success": false}`, `{"error": …}`, GraphQL errors without data) and short apologies. The value
    is the probability of a failure, the label its class. Results that merely tell of errors pass: a log that was asked
    for, a payment whose status is "failed", a document about exceptions. Empty results are none of its business.
    """

    Options = ToolErrorAsSuccessOptions
    implementation_version: ClassVar[int] = 3
    targets: ClassVar[frozenset[TargetKind]] = frozenset(("span",))

    @classmethod
    def default_span_kinds(cls, options: ToolErrorAsSuccessOptions) -> frozenset[SpanKind]:
        return frozenset(("tool",))

    def evaluate(self, target: Target) -> Iterable[Answer]:
        span = target.span
        if span is None or span.result is None or span.status == "error" or span.error_type is not None:
            return ()
        sign = Steps.of(target).sign(span)
        if sign is None or sign.probability < self.options.min_probability:
            value = sign.probability if sign is not None else 0.0
            return (Verdict(value=value, label="none", passed=True),)
        return (
            Verdict(
                value=sign.probability,
                label=sign.label,
                passed=False,
                explanation=f"{sign.path} reports a failure ({_excerpt(sign.quote)}), the call counts as a success",
                evidence=(Evidence(span_id=span.span_id, path=sign.path, quote=sign.quote),),
            ),
        )


def _excerpt(quote: str) -> str:
    """The beginning of a quote, on one line."""
    line = " ".join(quote.split())
    return line if len(line) <= EXCERPT_CHARS else line[: EXCERPT_CHARS - 1] + "…"
