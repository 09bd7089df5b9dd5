"""Type `latency_regression`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

from pydantic import Field

from schemas.profile import Profile
from schemas.score import Evidence, TargetKind
from schemas.settings import Section
from schemas.trace import Span, Trace

from ..profiles.evaluator import PUT_OFF, LearningEvaluator, Observed
from ..profiles.sketch import QuantileLearner, bin_of, quantile
from ..protocol import Answer, Target, Verdict

KINDS = ("llm", "tool", "retrieval", "embedding")
MAX_SPANS = 500
USUAL_QUANTILE = 0.95


class LatencyRegressionOptions(Section):
    min_ratio: float = Field(4.0, gt=1, description="So many times the usual duration is slow.")
    min_excess_s: float = Field(2.0, ge=0, description="And at least so much longer than usual.")
    min_observations: int = Field(30, ge=5, description="Fewer spans of a kind and name tell nothing about it.")


class LatencyRegression(LearningEvaluator[LatencyRegressionOptions]):
    """Fails where a step lasted far longer than steps of its kind and name used to.

    Learned for each kind and name of span (a tool, a model): the distribution of durations, as a quantile sketch of its own past.
    Usual is its 95th percentile. The value is the ratio to it of the step that is furthest beyond, and that step is blamed.
    Model calls, tools, retrievals and embeddings are looked at; failed ones are judged and not learned from. A trace of which no
    step is known well enough waits for the profile (`skipped: learning`). A service that gets slower little by little is
    seen in the values, by the drift detectors; which step held up one trace is `latency_critical_path`.
    """

    Options = LatencyRegressionOptions
    targets: ClassVar[frozenset[TargetKind]] = frozenset(("trace",))
    default_target: ClassVar[TargetKind] = "trace"

    @classmethod
    def learner(cls, state: Any = None) -> QuantileLearner:
        return QuantileLearner(state)

    def observe(self, target: Target) -> Iterable[Observed]:
        for span in _steps(target.trace):
            if span.status != "error" and span.error_type is None:
                yield Observed(_subject(span), str(bin_of(span.duration_s)))

    def evaluate(self, target: Target) -> Iterable[Answer]:
        steps = _steps(target.trace)
        if not steps:
            return ()
        judged = [found for span in steps if (found := self._judge(target, span)) is not None]
        if not judged:
            return (PUT_OFF,)
        slow = [found for found in judged if self._is_slow(found)]
        worst = max(slow or judged, key=lambda found: found.span.duration_s / found.usual_s)
        return (_verdict(worst, slow=bool(slow)),)

    def _judge(self, target: Target, span: Span) -> _Judged | None:
        profile = self.profile(target, _subject(span))
        if profile is None or profile.observations < self.options.min_observations:
            return None
        return _Judged(span, profile.view(_usual_s), profile)

    def _is_slow(self, found: _Judged) -> bool:
        duration = found.span.duration_s
        ratio, excess = self.options.min_ratio, self.options.min_excess_s
        return duration >= ratio * found.usual_s and duration - found.usual_s >= excess


class _Judged(NamedTuple):
    span: Span
    usual_s: float
    profile: Profile


def _subject(span: Span) -> str:
    return f"{span.kind} {span.tool_name or span.name}"


def _steps(trace: Trace) -> list[Span]:
    return [s for s in trace.spans if s.kind in KINDS and s.end >= s.start][:MAX_SPANS]


def _usual_s(body: Mapping[str, Any]) -> float:
    return quantile(body["bins"], USUAL_QUANTILE)


def _verdict(found: _Judged, *, slow: bool) -> Verdict:
    span, ratio = found.span, found.span.duration_s / found.usual_s
    if not slow:
        return Verdict(value=ratio, label="usual", passed=True, profile_version=found.profile.version)
    return Verdict(
        value=ratio,
        label="slow",
        passed=False,
        explanation=f"{span.tool_name or span.name} took {span.duration_s:.1f} s; 95 % of the {found.profile.observations} "
        f"before took less than {found.usual_s:.2g} s",
        evidence=(Evidence(span_id=span.span_id, path="duration_s", quote=f"{span.duration_s:.3f}"),),
        blamed_span_id=span.span_id,
        profile_version=found.profile.version,
    )
