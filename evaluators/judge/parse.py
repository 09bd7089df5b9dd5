"""From a judge's answer to verdicts: strictly, then leniently, never by guessing.

The answer must be one object. An object found between words is never taken for the verdict, because it may be quoted from
the trace: the model is asked again instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from .rubric import Rubric

MAX_ANSWER_CHARS = 100_000
MAX_REASON_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class Given:
    """A valid verdict of one criterion and its reason."""

    verdict: str | float
    reason: str


class Unparsable(ValueError):
    """The answer is not what was asked for; the message tells the model why, in words of ours only."""


def parsed(content: str, rubrics: Sequence[Rubric]) -> tuple[Given, ...]:
    """One verdict for each rubric, in order.

    Raises
    ------
    Unparsable : no unambiguous object of the required shape, even after the lenient repairs: a code fence around it,
        a thinking block before it, trailing commas, another spelling of a choice, a number as text, the single criterion's
        verdict without its name around it.
    """
    try:
        return tuple(_exact(_loaded(content), rubric) for rubric in rubrics)
    except Unparsable:
        document = _loaded(_repaired(content))
        if len(rubrics) == 1 and rubrics[0].name not in document and "verdict" in document:
            document = {rubrics[0].name: document}
        return tuple(_lenient(document, rubric) for rubric in rubrics)


def _loaded(text: str) -> Mapping[str, Any]:
    if len(text) > MAX_ANSWER_CHARS:
        raise Unparsable("it is far too long")
    try:
        document = orjson.loads(text)
    except ValueError:
        raise Unparsable("it is no valid JSON") from None
    if not isinstance(document, dict):
        raise Unparsable("it is no JSON object")
    return document


def _exact(document: Mapping[str, Any], rubric: Rubric) -> Given:
    entry = document.get(rubric.name)
    if not isinstance(entry, dict) or not isinstance(entry.get("reason"), str):
        raise Unparsable(f"the key {rubric.name!r} must hold an object with reason and verdict")
    return Given(_checked(entry.get("verdict"), rubric), entry["reason"][:MAX_REASON_CHARS])


def _lenient(document: Mapping[str, Any], rubric: Rubric) -> Given:
    entry = document.get(rubric.name)
    if not isinstance(entry, dict):
        entry = {"verdict": entry}
    verdict, reason = entry.get("verdict"), entry.get("reason")
    if isinstance(verdict, str) and rubric.choices is not None:
        spelt = {_folded(choice): choice for choice in rubric.choices}
        verdict = spelt.get(_folded(verdict), verdict) if len(spelt) == len(rubric.choices) else verdict
    elif isinstance(verdict, str):
        try:
            verdict = float(verdict)
        except ValueError:
            verdict = None
    return Given(_checked(verdict, rubric), str(reason or "")[:MAX_REASON_CHARS])


def _checked(verdict: Any, rubric: Rubric) -> str | float:
    if rubric.choices is not None:
        if isinstance(verdict, str) and verdict in rubric.choices:
            return verdict
        raise Unparsable(f"the verdict of {rubric.name!r} must be one of {', '.join(rubric.choices)}")
    scale = rubric.score
    assert scale is not None
    number = isinstance(verdict, int | float) and not isinstance(verdict, bool)
    if number and scale.min <= verdict <= scale.max and (not scale.integer or float(verdict).is_integer()):
        return verdict
    kind = "whole number" if scale.integer else "number"
    raise Unparsable(f"the verdict of {rubric.name!r} must be a {kind} from {scale.min:g} to {scale.max:g}")


def _folded(text: str) -> str:
    return "_".join(text.casefold().replace("-", " ").replace("_", " ").strip(" .").split())


def _repaired(text: str) -> str:
    """The object that the answer consists of, without a code fence, a thinking block before it, and trailing commas."""
    if len(text) > MAX_ANSWER_CHARS:
        raise Unparsable("it is far too long")
    text = text.strip()
    if text.startswith("<think>"):
        text = text.rpartition("</think>")[2].strip()
    if text.startswith("```") and text.endswith("```"):
        text = text.strip("`").removeprefix("json").strip()
    if not (text.startswith("{") and text.endswith("}")):
        raise Unparsable("there must be nothing before and after the JSON object")
    return _without_trailing_commas(text)


def _without_trailing_commas(text: str) -> str:
    kept: list[str] = []
    quoted = escaped = False
    for sign in text:
        if quoted:
            quoted, escaped = escaped or sign != '"', sign == "\\" and not escaped
        else:
            quoted = sign == '"'
            if sign in "}]":
                _drop_comma(kept)
        kept.append(sign)
    return "".join(kept)


def _drop_comma(kept: list[str]) -> None:
    blank = len(kept)
    while blank and kept[blank - 1].isspace():
        blank -= 1
    if blank and kept[blank - 1] == ",":
        del kept[blank - 1 :]
