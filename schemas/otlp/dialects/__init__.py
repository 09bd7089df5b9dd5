"""The dialects that are understood, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Iterator

from ..dialect import Dialect
from ..raw import RawSpan
from .genai import GENAI

DIALECTS: tuple[Dialect, ...] = (GENAI,)


def dialects_of(raw: RawSpan) -> Iterator[Dialect]:
    """The dialects whose attributes are on a span."""
    present = {name.partition(".")[0] for name in raw.attributes}
    return (dialect for dialect in DIALECTS if not present.isdisjoint(dialect.namespaces))
