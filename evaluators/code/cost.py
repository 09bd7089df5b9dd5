"""Type `cost`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from schemas.settings import Price, Section
from schemas.trace import Span, SpanKind

from ..base import CodeEvaluator, Environment
from ..protocol import Answer, Skip, Target, Verdict
from ..usage import spans_with_usage

TOKENS_PER_MTOK = 1_000_000
DIGITS = 12


class CostOptions(Section):
    max_usd: float | None = Field(None, ge=0, description="Dearer fails.")


class Cost(CodeEvaluator[CostOptions]):
    """What the model calls cost in USD, by the table `prices`; fails beyond a limit, where one is given.

    A model is looked up by the name that answered, then by the name asked for: its own entry, else the longest entry
    that ends in `*` and matches. No entry: skipped (`no_price`). No usage: skipped (`no_usage`). Cached input tokens
    have their own price where the table gives one.
    """

    Options = CostOptions

    @classmethod
    def default_span_kinds(cls, options: CostOptions) -> frozenset[SpanKind]:
        return frozenset(("llm",))

    @classmethod
    def version_basis(cls, options: CostOptions, environment: Environment) -> Any:
        return {model: price.model_dump() for model, price in environment.settings.prices.items()}

    def evaluate(self, target: Target) -> Iterable[Answer]:
        spans, missing = spans_with_usage(target)
        if missing:
            return (Skip("no_usage"),)
        if not spans:
            return ()
        total = 0.0
        for span in spans:
            price = price_of(self.environment.settings.prices, span)
            if price is None:
                return (Skip("no_price"),)
            total += _cost(span, price)
        value, limit = round(total, DIGITS), self.options.max_usd
        if limit is None:
            return (Verdict(value=value),)
        passed = value <= limit
        explanation = "" if passed else f"cost {value:.6f} USD; at most {limit:g} USD wanted"
        return (Verdict(value, "within" if passed else "too_dear", passed=passed, explanation=explanation),)


def price_of(prices: Mapping[str, Price], span: Span) -> Price | None:
    """The price of the model that answered, else of the one asked for."""
    for model in (span.response_model, span.request_model):
        if model is None:
            continue
        if model in prices:
            return prices[model]
        matching = [name for name in prices if name.endswith("*") and model.startswith(name[:-1])]
        if matching:
            return prices[max(matching, key=len)]
    return None


def _cost(span: Span, price: Price) -> float:
    usage = span.usage
    if usage is None:
        return 0.0
    read, written = usage.input_tokens or 0, usage.output_tokens or 0
    cached = max(0, min(usage.cached_input_tokens or 0, read)) if price.cached_input_per_mtok is not None else 0
    dollars = (read - cached) * price.input_per_mtok + written * price.output_per_mtok
    return (dollars + cached * (price.cached_input_per_mtok or 0.0)) / TOKENS_PER_MTOK
