"""Type `latency`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import Field

from schemas.settings import Section
from schemas.trace import SpanKind

from ..base import CodeEvaluator
from ..protocol import Answer, Skip, Target, Verdict


class LatencyOptions(Section):
    max_s: float | None = Field(None, gt=0, description="Slower fails.")
    max_s_by_kind: Mapping[SpanKind, float] = Field({}, description="The same for spans of one kind, e.g. {llm: 20}.")


class Latency(CodeEvaluator[LatencyOptions]):
    """Measures seconds from start to end; fails beyond a limit, where one is given.

    A trace lasts from its first start to its last end. A span that ends before it starts (clocks) is skipped. Retries
    inside a client are part of the span: they are seen here and nowhere else.
    """

    Options = LatencyOptions

    @classmethod
    def default_span_kinds(cls, options: LatencyOptions) -> frozenset[SpanKind]:
        return frozenset(options.max_s_by_kind) if options.max_s_by_kind and not options.max_s else _TIMED

    def evaluate(self, target: Target) -> Iterable[Answer]:
        limit = self.options.max_s
        if target.span is not None:
            value = target.span.duration_s
            limit = self.options.max_s_by_kind.get(target.span.kind, limit)
        else:
            traces = target.session.traces if target.session is not None else (target.trace,)
            value = (max(t.end for t in traces) - min(t.start for t in traces)).total_seconds()
        if value < 0:
            return (Skip("negative_duration"),)
        if limit is None:
            return (Verdict(value=value),)
        passed = value <= limit
        explanation = "" if passed else f"took {value:.3f} s; at most {limit:g} s wanted"
        return (Verdict(value=value, label="within" if passed else "slow", passed=passed, explanation=explanation),)


_TIMED: frozenset[SpanKind] = frozenset(("llm", "tool", "retrieval", "embedding"))
