"""Answers as rows: a `Score` for each decision."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from schemas.judge_request import View
from schemas.score import Score
from schemas.source import Source
from schemas.trace import Session, Span, Trace

from .base import model_of
from .protocol import Answer, Evaluator, Failure, Skip, Verdict
from .verdicts import MAX_LABEL_CHARS, clean, clean_evidence

_DEFAULTS: Mapping[str, Any] = {
    name: None if field.is_required() else field.default for name, field in Score.model_fields.items()
}
_FIELDS = set(_DEFAULTS)


class Draft:
    """What all scores of one trace (or session, or judge request) have in common."""

    __slots__ = ("_common",)

    def __init__(self, common: Mapping[str, Any]) -> None:
        self._common = {**_DEFAULTS, **common}

    @classmethod
    def of_trace(cls, trace: Trace, *, event_time: datetime, source: Source | None) -> Draft:
        last = prompted_span(trace)
        return cls(
            {
                "trace_id": trace.trace_id,
                "session_id": trace.session_id,
                "project": trace.project,
                "environment": trace.environment,
                "revision": trace.revision,
                "event_time": event_time,
                "source": source,
                "prompt_name": last.prompt_name if last else None,
                "prompt_version": last.prompt_version if last else None,
            }
        )

    @classmethod
    def of_session(cls, session: Session, *, event_time: datetime, source: Source | None) -> Draft:
        draft = cls.of_trace(session.traces[-1], event_time=event_time, source=source)
        draft._common |= {
            "session_id": session.session_id,
            "project": session.project,
            "environment": session.environment,
            "revision": session.revision,
        }
        return draft

    def of_evaluator(self, evaluator: Evaluator, inclusion_probability: float) -> Draft:
        """The same, for one evaluator."""
        return Draft(
            {
                **self._common,
                "target": evaluator.target,
                "evaluator_version": evaluator.version,
                "kind": evaluator.kind,
                "inclusion_probability": inclusion_probability,
            }
        )

    def of_view(self, view: View) -> Draft:
        """The same, for one view of a judge request."""
        return Draft({**self._common, "prompt_name": view.prompt_name, "prompt_version": view.prompt_version})

    def score(
        self, decision: str, target_digest: str, answer: Answer, *, span: Span | None = None, span_id: str | None = None
    ) -> Score:
        """The row of one decision; `span` is known in the evaluate worker, `span_id` alone in the judge worker."""
        row = {**self._common, "evaluator": decision, "target_digest": target_digest}
        if span is not None:
            span_id = span.span_id
            row["prompt_name"], row["prompt_version"] = span.prompt_name, span.prompt_version
            if span.kind == "llm" and row["kind"] == "code":
                row["model"] = model_of(span)
        row["span_id"] = span_id
        if isinstance(answer, Verdict):
            _fill_scored(row, answer, span_id)
        elif isinstance(answer, Skip):
            row["status"], row["skip_reason"] = "skipped", clean(answer.reason, MAX_LABEL_CHARS)
        else:
            _fill_failed(row, answer)
        return _constructed(row)


def prompted_span(trace: Trace) -> Span | None:
    """The last model call that names its prompt."""
    found: Span | None = None
    for span in trace.spans:
        if span.prompt_name is not None and span.kind == "llm" and (found is None or _later(span, found)):
            found = span
    return found


def _later(one: Span, other: Span) -> bool:
    return (one.end, one.span_id) > (other.end, other.span_id)


def _fill_scored(row: dict[str, Any], verdict: Verdict, span_id: str | None) -> None:
    row["status"] = "scored"
    row["value"] = None if verdict.value is None else float(verdict.value)
    row["label"] = None if verdict.label is None else clean(verdict.label, MAX_LABEL_CHARS)
    row["passed"] = verdict.passed
    row["explanation"] = clean(verdict.explanation)
    row["evidence"] = clean_evidence(verdict.evidence)
    row["blamed_span_id"] = verdict.blamed_span_id or (span_id if verdict.passed is False else None)
    row["cost_usd"], row["latency_s"] = verdict.cost_usd, verdict.latency_s
    row["model"] = verdict.model or row["model"]
    row["profile_version"] = verdict.profile_version
    if verdict.attributes:
        row["attributes"] = dict(verdict.attributes)


def _fill_failed(row: dict[str, Any], failure: Failure) -> None:
    row["status"] = "failed"
    row["error_type"] = clean(failure.error_type, MAX_LABEL_CHARS)
    row["explanation"] = clean(failure.message)
    row["cost_usd"], row["latency_s"] = failure.cost_usd, failure.latency_s
    row["model"] = failure.model or row["model"]


def _constructed(row: dict[str, Any]) -> Score:
    """A `Score` without validation: every field is ours, and `model_construct` costs several times as much."""
    score = Score.__new__(Score)
    object.__setattr__(score, "__dict__", row)
    object.__setattr__(score, "__pydantic_fields_set__", _FIELDS)
    object.__setattr__(score, "__pydantic_extra__", None)
    object.__setattr__(score, "__pydantic_private__", None)
    return score
