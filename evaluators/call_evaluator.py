"""What evaluators of tool calls have in common: which span a call is judged on."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from schemas.score import TargetKind
from schemas.trace import Span, SpanKind

from .base import CodeEvaluator, OptionsT
from .protocol import Answer, Context, Target, Verdict
from .tool_calls import Asked, CallIndex


class CallEvaluator(CodeEvaluator[OptionsT]):
    """One decision a call: on the tool span that carries it out, else on the model call that asked for it."""

    default_context: ClassVar[Context] = "trace"
    targets: ClassVar[frozenset[TargetKind]] = frozenset(("span",))

    @classmethod
    def default_span_kinds(cls, options: OptionsT) -> frozenset[SpanKind]:
        return frozenset(("llm", "tool"))

    def evaluate(self, target: Target) -> Iterable[Answer]:
        index, span = CallIndex.of(target), target.span
        if span is None:
            return ()
        if span.kind == "tool":
            return self.judge_tool(target, index, span)
        if span.kind != "llm":
            return ()
        return _worst([a for asked in index.not_carried_out(span) for a in self.judge_asked(target, span, asked)])

    @abstractmethod
    def judge_tool(self, target: Target, index: CallIndex, span: Span) -> Iterable[Answer]:
        """Judge the call that a tool span carries out; nothing where it is no target."""

    @abstractmethod
    def judge_asked(self, target: Target, span: Span, asked: Asked) -> Iterable[Answer]:
        """Judge a call that the model asked for and nobody carried out."""


def _worst(judged: list[Answer]) -> Iterable[Answer]:
    """One answer for a model call with several tool calls: the first that is not a pass."""
    if not judged:
        return ()
    return (next((a for a in judged if not (isinstance(a, Verdict) and a.passed)), judged[0]),)
