"""Type `json_validity`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import orjson
import re2
from pydantic import Field

from schemas.score import Evidence
from schemas.trace import SpanKind

from ..base import CodeEvaluator
from ..protocol import Answer, Failure, Target, Verdict
from ..text import KINDS_WITH_TEXT, Piece, TextOptions, pieces

MAX_DEPTH = 1024
CONTEXT_CHARS = 40
_FENCED = re2.compile(r"(?s)\A\s*```[A-Za-z]*[ \t]*\n(.*?)\n?[ \t]*```\s*\z")


class JsonValidityOptions(TextOptions):
    fences: Literal["strip", "refuse"] = Field(
        "strip", description="Whether JSON inside one Markdown code fence (```json) counts."
    )


class JsonValidity(CodeEvaluator[JsonValidityOptions]):
    """Fails where a text that should be JSON does not parse.

    Catches truncated output, prose around the JSON, comments, trailing commas and NaN (RFC 8259 has none of these).
    Says nothing about the shape: that is `json_schema_match`. Model calls that only call tools are no targets.
    """

    Options = JsonValidityOptions

    @classmethod
    def default_span_kinds(cls, options: JsonValidityOptions) -> frozenset[SpanKind]:
        return KINDS_WITH_TEXT[options.text]

    def evaluate(self, target: Target) -> Iterable[Answer]:
        found = pieces(target, self.options.text)
        if not found:
            return ()
        for piece in found:
            text = unfenced(piece.text) if self.options.fences == "strip" else piece.text
            try:
                orjson.loads(text)
            except orjson.JSONDecodeError as error:
                if is_nested_deeper(text, MAX_DEPTH):
                    return (Failure("TooDeep", f"{piece.path} is nested deeper than {MAX_DEPTH} levels"),)
                return (_invalid(piece, text, error),)
        return (Verdict(value=1.0, label="valid", passed=True),)


def unfenced(text: str) -> str:
    """The inside of a text that is nothing but one Markdown code fence."""
    match = _FENCED.match(text) if "```" in text else None
    return match.group(1) if match else text


def is_nested_deeper(text: str, limit: int) -> bool:
    """Whether the brackets of a JSON text open more than `limit` levels; those inside strings count too."""
    if text.count("[") + text.count("{") <= limit:
        return False
    depth = 0
    for char in text:
        if char in "[{":
            depth += 1
            if depth > limit:
                return True
        elif char in "]}":
            depth -= 1
    return False


def _invalid(piece: Piece, text: str, error: orjson.JSONDecodeError) -> Verdict:
    quote = text[max(0, error.pos - CONTEXT_CHARS) : error.pos + CONTEXT_CHARS]
    return Verdict(
        value=0.0,
        label="invalid",
        passed=False,
        explanation=f"{piece.path} is no JSON: {error.msg} at line {error.lineno} column {error.colno}",
        evidence=(Evidence(span_id=piece.span_id, path=piece.path, quote=quote),),
    )
