"""Answers of evaluators, checked: what is no proper verdict becomes a failure, never a score."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from schemas.score import Evidence

from .protocol import Answer, Failure, Skip, Verdict

INVALID = "InvalidVerdict"
MAX_TEXT_CHARS = 2_000
MAX_QUOTE_CHARS = 300
MAX_LABEL_CHARS = 200
MAX_EVIDENCE = 20


def settle(decisions: Sequence[str], answers: Iterable[Any]) -> dict[str, Answer]:
    """One answer for each decision that was answered.

    A verdict without a decision belongs to the only one; a skip or failure without one, to all. An answer of the wrong
    type or for an unknown decision fails every decision that has no answer of its own; two answers fail theirs.
    """
    answers = tuple(answers)
    if len(answers) == 1 == len(decisions) and type(answers[0]) is Verdict and answers[0].decision is None:
        problem = problem_of(answers[0])  # by far the most frequent case
        return {decisions[0]: Failure(INVALID, problem) if problem else answers[0]}
    settled: dict[str, Answer] = {}
    wrong = ""
    for answer in answers:
        problem = problem_of(answer)
        name: Any = getattr(answer, "decision", None)
        if name is None and (len(decisions) == 1 or isinstance(answer, Skip | Failure)):
            names: Sequence[str] = decisions
        elif name in decisions:
            names = (name,)
        else:
            wrong = problem or f"answers decision {name!r}; there are {', '.join(decisions)}"
            continue
        for each in names:
            if each in settled:
                settled[each] = Failure(INVALID, "two answers for one decision")
            else:
                settled[each] = Failure(INVALID, problem) if problem else answer
    if wrong:
        for each in decisions:
            settled.setdefault(each, Failure(INVALID, wrong))
    return settled


def problem_of(answer: Any) -> str:
    """What is wrong with an answer; empty when nothing is."""
    if isinstance(answer, Skip):
        return "" if isinstance(answer.reason, str) and answer.reason else "a skip without a reason"
    if isinstance(answer, Failure):
        return "" if isinstance(answer.error_type, str) and answer.error_type else "a failure without an error type"
    if not isinstance(answer, Verdict):
        return f"a {type(answer).__name__} is no verdict"
    value, label, passed = answer.value, answer.label, answer.passed
    if value is not None and not is_finite(value):
        return f"value must be a finite number, got {value!r}"[:MAX_LABEL_CHARS]
    if passed is not None and passed is not True and passed is not False:
        return f"passed must be true, false or nothing, got a {type(passed).__name__}"
    if value is None and label is None and passed is None and answer.vector is None:
        return "a verdict with neither value, label nor passed"
    if not all(map(_is_text, (label, answer.blamed_span_id, answer.model, answer.profile_version))):
        return "label, blamed_span_id, model and profile_version must be text"
    if not isinstance(answer.explanation, str):
        return "explanation must be text"
    if answer.evidence and not _is_evidence(answer.evidence):
        return "evidence must be a list of Evidence"
    return _problem_of_attributes(answer.attributes) if answer.attributes else ""


def is_finite(value: Any) -> bool:
    """Whether it is a number, and one that a column can hold."""
    try:
        return isinstance(value, float | int) and math.isfinite(value)
    except OverflowError:
        return False


def clean(text: str, limit: int = MAX_TEXT_CHARS) -> str:
    """Text that every warehouse takes: no NUL, no lone surrogate, not endless."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isascii():
        return text.replace("\x00", "") if "\x00" in text else text
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def clean_evidence(evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """At most `MAX_EVIDENCE` pieces with short quotes."""
    if not evidence:
        return ()
    return tuple(_cleaned(piece) for piece in evidence[:MAX_EVIDENCE])


def _cleaned(piece: Evidence) -> Evidence:
    path, quote = clean(piece.path, MAX_QUOTE_CHARS), clean(piece.quote, MAX_QUOTE_CHARS)
    if path is piece.path and quote is piece.quote:
        return piece
    return Evidence.model_construct(span_id=piece.span_id, path=path, quote=quote)


def _is_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_evidence(value: Any) -> bool:
    return isinstance(value, tuple | list) and all(isinstance(piece, Evidence) for piece in value)


def _problem_of_attributes(attributes: Any) -> str:
    if not isinstance(attributes, Mapping):
        return "attributes must be a mapping"
    try:
        orjson.dumps(attributes)
    except (TypeError, ValueError, RecursionError) as error:
        return f"attributes are no JSON: {error}"
    return ""
