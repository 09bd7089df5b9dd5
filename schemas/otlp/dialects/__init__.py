"""The dialects that are understood, in the order in which they are asked: those with names of their own first."""

from __future__ import annotations

from collections.abc import Iterator

from ..dialect import Dialect
from ..raw import RawSpan
from .adk import ADK
from .genai import GENAI
from .litellm import LITELLM
from .mlflow import MLFLOW
from .openinference import OPENINFERENCE
from .openllmetry import OPENLLMETRY
from .pydantic_ai import PYDANTIC_AI

DIALECTS: tuple[Dialect, ...] = (MLFLOW, PYDANTIC_AI, ADK, LITELLM, GENAI, OPENLLMETRY, OPENINFERENCE)


def dialects_of(raw: RawSpan) -> Iterator[Dialect]:
    """The dialects whose attributes are on a span."""
    present = {name.partition(".")[0] for name in raw.attributes}
    return (dialect for dialect in DIALECTS if not present.isdisjoint(dialect.namespaces))
