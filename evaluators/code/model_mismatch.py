"""Type `model_mismatch`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from schemas.score import Evidence, TargetKind
from schemas.trace import Span, SpanKind

from ..base import CodeEvaluator, NoOptions
from ..model_names import likeness
from ..protocol import Answer, Skip, Target, Verdict


class ModelMismatch(CodeEvaluator[NoOptions]):
    """Fails where another model answered than the one that was asked for.

    Labels: `same`, `other_model` and `other_version` (both names carry a date, and the dates differ). Dated versions, aliases
    and the names that clouds and gateways give a model are the same model (`gpt-4o` and `gpt-4o-2024-05-13`,
    `us.anthropic.claude-3-5-sonnet-20241022-v2:0` and `claude-3-5-sonnet-latest`, `gpt-35-turbo` and `gpt-3.5-turbo`). Where the
    name asked for is no model's (a deployment, a router) the decision is skipped: `unknown_model_name`. Calls that do not tell
    both names are no targets.
    """

    targets: ClassVar[frozenset[TargetKind]] = frozenset(("span",))

    @classmethod
    def default_span_kinds(cls, options: NoOptions) -> frozenset[SpanKind]:
        return frozenset(("llm", "embedding"))

    def evaluate(self, target: Target) -> Iterable[Answer]:
        span = target.span
        if span is None or not span.request_model or not span.response_model:
            return ()
        found = likeness(span.request_model, span.response_model)
        if found == "same":
            return (_SAME,)
        if found == "unknown":
            return (Skip("unknown_model_name"),)
        return (_mismatch(span, found),)


_SAME = Verdict(value=1.0, label="same", passed=True)


def _mismatch(span: Span, label: str) -> Verdict:
    return Verdict(
        value=0.0,
        label=label,
        passed=False,
        explanation=f"{span.request_model} was asked, {span.response_model} answered",
        evidence=(
            Evidence(span_id=span.span_id, path="response_model", quote=span.response_model or ""),
            Evidence(span_id=span.span_id, path="request_model", quote=span.request_model or ""),
        ),
        blamed_span_id=span.span_id,
    )
