"""What a call costs, from the tokens that the provider reports and the configured prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.settings import Price

TOKENS_PER_PRICE = 1_000_000


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one or several calls; cached ones are part of the input."""

    input: int = 0
    output: int = 0
    cached_input: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.input + other.input, self.output + other.output, self.cached_input + other.cached_input)


def price_of(model: str, prices: Mapping[str, Price]) -> Price | None:
    """The price under exactly this name, else under the longest prefix that ends in ``*``."""
    if model in prices:
        return prices[model]
    prefixes = [name for name in prices if name.endswith("*") and model.startswith(name[:-1])]
    return prices[max(prefixes, key=len)] if prefixes else None


def cost_usd(tokens: Tokens, price: Price | None) -> float | None:
    """USD, or None where there is no price."""
    if price is None:
        return None
    cached = min(tokens.cached_input, tokens.input)
    cached_price = price.input_per_mtok if price.cached_input_per_mtok is None else price.cached_input_per_mtok
    total = (
        (tokens.input - cached) * price.input_per_mtok + cached * cached_price + tokens.output * price.output_per_mtok
    )
    return total / TOKENS_PER_PRICE
