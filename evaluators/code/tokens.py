"""Type `tokens`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from schemas.settings import Section
from schemas.trace import SpanKind

from ..base import CodeEvaluator
from ..protocol import Answer, Skip, Target, Verdict
from ..usage import spans_with_usage


class TokensOptions(Section):
    count: Literal["total", "input", "output"] = Field("total", description="Which count is the value.")
    max_input: int | None = Field(None, ge=0, description="More input tokens fail.")
    max_output: int | None = Field(None, ge=0, description="More output tokens fail.")
    max_total: int | None = Field(None, ge=0, description="More tokens of both kinds together fail.")


class Tokens(CodeEvaluator[TokensOptions]):
    """Counts the tokens that model calls report; fails beyond a limit, where one is given.

    A trace's count is the sum over its spans; when a model call that answered reports none, the sum would be too low,
    so it is skipped (`no_usage`). Text is never tokenised here: what the provider does not report is not guessed.
    """

    Options = TokensOptions

    @classmethod
    def default_span_kinds(cls, options: TokensOptions) -> frozenset[SpanKind]:
        return frozenset(("llm",))

    def evaluate(self, target: Target) -> Iterable[Answer]:
        spans, missing = spans_with_usage(target)
        if missing:
            return (Skip("no_usage"),)
        if not spans:
            return ()
        counts = {
            "input": sum(span.usage.input_tokens or 0 for span in spans if span.usage),
            "output": sum(span.usage.output_tokens or 0 for span in spans if span.usage),
        }
        counts["total"] = counts["input"] + counts["output"]
        options = self.options
        limits = {"input": options.max_input, "output": options.max_output, "total": options.max_total}
        value = float(counts[options.count])
        if all(limit is None for limit in limits.values()):
            return (Verdict(value=value, attributes=counts),)
        for name, limit in limits.items():
            if limit is not None and counts[name] > limit:
                explanation = f"{counts[name]} {name} tokens; at most {limit} wanted"
                return (Verdict(value, f"too_many_{name}", passed=False, explanation=explanation, attributes=counts),)
        return (Verdict(value, "within", passed=True, attributes=counts),)
