"""Type `tool_result_empty`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from schemas.score import Evidence, TargetKind
from schemas.trace import Span, SpanKind

from ..base import NoOptions
from ..profiles.anomaly import Finding, judge_rare
from ..profiles.content import Content, content_of
from ..profiles.emptiness import EMPTY, FULL, EmptinessLearner, kind_of
from ..profiles.evaluator import PUT_OFF, LearningEvaluator, Observed
from ..protocol import Answer, Target, Verdict

MIN_FULL = 3
MAX_RATE = 0.1
MIN_FULL_NATURAL = 100
MAX_RATE_NATURAL = 0.01
_NATURAL = {"no_items": "list", "nothing": "text"}
_WORDS = {"nothing": "nothing", "no_items": "an empty list", "no_keys": "an empty object"}


class ToolResultEmpty(LearningEvaluator[NoOptions]):
    """Fails where a tool answers with nothing although it usually answers with something.

    Learned for each tool: how often it answers at all, and in which ways with nothing: no result, `null` or blank text, `[]`, `{}`. An emptiness that does not fit what the tool returns (`[]` from a tool that returns objects, `null` from one that
    returns lists) fails after three answers, unless more than a tenth of its answers are empty in this way. One that fits (`[]`
    from a search) is normal, and fails only where at least a hundred answers were not empty and hardly any was. Until a tool
    has answered three times the decision waits for its profile (`skipped: learning`). What is empty inside an
    answer is not looked at, and errors are `tool_error_as_success`.
    """

    targets: ClassVar[frozenset[TargetKind]] = frozenset(("span",))

    @classmethod
    def default_span_kinds(cls, options: NoOptions) -> frozenset[SpanKind]:
        return frozenset(("tool",))

    @classmethod
    def learner(cls, state: Any = None) -> EmptinessLearner:
        return EmptinessLearner(state)

    def observe(self, target: Target) -> Iterable[Observed]:
        span = target.span
        if span is None or span.truncated or _has_failed(span):
            return ()
        return (Observed(span.tool_name or span.name, kind_of(content_of(span.result).value)),)

    def evaluate(self, target: Target) -> Iterable[Answer]:
        span = target.span
        if span is None or span.truncated or _has_failed(span):
            return ()
        content = content_of(span.result)
        kind = kind_of(content.value)
        profile = self.profile(target, span.tool_name or span.name)
        counts: Mapping[str, int] = profile.body if profile is not None else {}
        version = profile.version if profile is not None else None
        if kind in FULL:
            return (Verdict(value=1.0, label="answered", passed=True, profile_version=version),)
        full = sum(counts.get(each, 0) for each in FULL)
        empty = sum(counts.get(each, 0) for each in EMPTY)
        if full < MIN_FULL and empty <= full + 1:
            return (PUT_OFF,)
        finding = _judge(kind, counts, full, profile is not None and profile.settled)
        if finding is Finding.UNSURE:
            return (PUT_OFF,)
        if finding is Finding.NORMAL:
            return (Verdict(value=1.0, label=kind, passed=True, profile_version=version),)
        return (_empty(span, content, kind, full, counts.get(kind, 0), version),)


def _has_failed(span: Span) -> bool:
    return span.status == "error" or span.error_type is not None


def _judge(kind: str, counts: Mapping[str, int], full: int, settled: bool) -> Finding:
    seen = counts.get(kind, 0)
    if kind in _NATURAL and counts.get(_NATURAL[kind], 0) * 2 >= full:
        if full < MIN_FULL_NATURAL:
            return Finding.NORMAL
        return judge_rare(seen, full, settled=settled, max_rate=MAX_RATE_NATURAL)
    return judge_rare(seen, full, settled=settled, support=MIN_FULL, max_rate=MAX_RATE, most=math.inf)


def _empty(span: Span, content: Content, kind: str, full: int, seen: int, version: str | None) -> Verdict:
    quote = "" if span.result is None else str(span.result)[:40]
    return Verdict(
        value=0.0,
        label=kind,
        passed=False,
        explanation=f"{span.tool_name or span.name} answered with {_WORDS[kind]}; of its answers {full} were not empty and "
        f"{seen} empty in this way",
        evidence=(Evidence(span_id=span.span_id, path=content.path, quote=quote),),
        blamed_span_id=span.span_id,
        profile_version=version,
    )
