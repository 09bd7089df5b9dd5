"""One trace or session while it is decided: its targets, and which of them miss a decision."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from schemas.judge_request import Dimensions
from schemas.profile import Profiles
from schemas.score import DecisionKey
from schemas.source import Source
from schemas.trace import Session, SpanKind, Trace

from .base import target_digest, target_id
from .protocol import Evaluator, Target
from .scores import Draft
from .select import Filter, Views, is_sampled

_REASONS = ("no_target", "filtered", "sampled_out", "filter_error")


@dataclass(frozen=True, slots=True)
class Entry:
    """An evaluator and what selects its targets."""

    evaluator: Evaluator
    filter: Filter | None = None
    sample_rate: float = 1.0

    @property
    def inclusion_probability(self) -> float:
        """Of a target that was sampled."""
        return self.sample_rate if self.sample_rate > 0.0 else 1.0


NO_SHARES: Mapping[str, float] = {}
NO_PROFILES: Profiles = {}


class Occasion(NamedTuple):
    """When and from where the trace came. `shares`: of the sampled traces that an evaluator still looks at, below 1
    while overload is shed. `profiles`: what was known by then."""

    source: Source | None
    event_time: datetime
    now: datetime
    dimensions: Dimensions
    shares: Mapping[str, float] = NO_SHARES
    profiles: Profiles = NO_PROFILES


class Subject:
    """One trace or session while it is decided, with what is worked out once for all evaluators."""

    __slots__ = ("_spans", "_targets", "draft", "known", "memo", "occasion", "session", "trace", "views")

    def __init__(
        self,
        trace: Trace,
        session: Session | None,
        known: Container[DecisionKey],
        occasion: Occasion,
        draft: Draft,
    ) -> None:
        self.trace, self.session, self.known = trace, session, known
        self.occasion, self.draft = occasion, draft
        self.views = Views(trace)
        self.memo: dict[Any, Any] = {}
        self._spans: dict[frozenset[SpanKind], list[Target]] = {}
        self._targets: list[Target] | None = None

    def targets(self, evaluator: Evaluator) -> list[Target]:
        if evaluator.target != "span":
            if self._targets is None:
                self._targets = [Target(self.trace, None, self.session, self.memo, self.occasion.profiles)]
            return self._targets
        found = self._spans.get(evaluator.span_kinds)
        if found is None:
            kinds = evaluator.span_kinds
            shared = (None, self.memo, self.occasion.profiles)
            found = [Target(self.trace, span, *shared) for span in self.trace.spans if span.kind in kinds]
            self._spans[kinds] = found
        return found

    @property
    def is_incomplete(self) -> bool:
        traces = self.session.traces if self.session is not None else (self.trace,)
        return any(trace.incomplete for trace in traces)

    @property
    def sampling_unit(self) -> str:
        return self.session.session_id if self.session is not None else self.trace.trace_id


class Todo:
    """A target with the decisions that are missing of it."""

    __slots__ = ("digest", "missing", "target")

    def __init__(self, target: Target, digest: str, missing: Sequence[str]) -> None:
        self.target, self.digest, self.missing = target, digest, missing


def select(entry: Entry, subject: Subject) -> tuple[list[Todo], int, str]:
    """Targets with missing decisions, the number of targets that miss none, and why there may be neither."""
    evaluator = entry.evaluator
    targets = subject.targets(evaluator)
    if not targets:
        return [], 0, "no_target"
    if entry.sample_rate < 1.0 and not is_sampled(subject.sampling_unit, evaluator.name, entry.sample_rate):
        return [], 0, "sampled_out"
    todo: list[Todo] = []
    settled, reason = 0, "no_target"
    for target in targets:
        if entry.filter is not None:
            passes = subject.views.passes(entry.filter, target.span)
            if not passes:
                reason = max(reason, "filtered" if passes is False else "filter_error", key=_REASONS.index)
                continue
        digest = target_digest(target, evaluator.context)
        missing = _missing(evaluator, subject, target, digest)
        if missing:
            todo.append(Todo(target, digest, missing))
        else:
            settled += 1
    return todo, settled, reason


def _missing(evaluator: Evaluator, subject: Subject, target: Target, digest: str) -> Sequence[str]:
    known, trace_id, version = subject.known, subject.trace.trace_id, evaluator.version
    where = target_id(target)
    if known:
        return [n for n in evaluator.decisions if DecisionKey(trace_id, n, version, where, digest) not in known]
    return evaluator.decisions
