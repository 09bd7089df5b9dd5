"""All configured evaluators together: which decisions a trace needs, and the answers that can be had at once."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

import re2

from schemas.judge_request import Dimensions, JudgeRequest, View
from schemas.profile import Feature, Profiles
from schemas.score import DecisionKey, Score
from schemas.source import Source
from schemas.trace import Session, Trace

from .base import target_id
from .callable.pool import CallablePool
from .profiles.evaluator import LearningEvaluator
from .profiles.learning import LearnerType
from .protocol import Answer, DeferredEvaluator, Evaluator, Failure, InlineEvaluator, Skip, Target
from .scores import Draft, prompted_span
from .select import is_sampled
from .subject import NO_PROFILES, NO_SHARES, Entry, Occasion, Subject, Todo, select
from .verdicts import INVALID, settle

OVERLOAD = "overload"
_ADDRESS = re2.compile(r"\b0x[0-9a-fA-F]{6,}\b")


@dataclass(frozen=True, slots=True)
class Decided:
    """What came of one trace or session.

    `passed_over`: for each decision name that no target got a decision of, why: `filter_error` (the filter could not
    say), `sampled_out`, `filtered` or `no_target`; of several reasons the first of these.
    """

    scores: list[Score] = field(default_factory=list)
    requests: list[JudgeRequest] = field(default_factory=list)
    passed_over: dict[str, str] = field(default_factory=dict)


class Suite:
    """The configured evaluators. Methods may be called from any thread; equal input gives equal output.

    Parameters
    ----------
    entries : in the order of the configuration, which is the order of the scores.
    callables : ended by `close`.
    """

    def __init__(self, entries: Sequence[Entry], callables: CallablePool) -> None:
        self.evaluators = tuple(entry.evaluator for entry in entries)
        self._of_traces = tuple(e for e in entries if e.evaluator.target != "session")
        self._of_sessions = tuple(e for e in entries if e.evaluator.target == "session")
        self._by_name = {e.evaluator.name: e.evaluator for e in entries}
        self._learning = {n: e for n, e in self._by_name.items() if isinstance(e, LearningEvaluator)}
        self._callables = callables

    def current_versions(self) -> dict[str, str]:
        """The version of each decision."""
        return {decision: e.version for e in self.evaluators for decision in e.decisions}

    def deferred(self) -> dict[str, DeferredEvaluator]:
        """The evaluators of the judge worker, by configured name."""
        return {e.name: cast(DeferredEvaluator, e) for e in self.evaluators if e.lane == "deferred"}

    def decide(
        self,
        trace: Trace,
        known: Container[DecisionKey],
        *,
        source: Source | None,
        event_time: datetime,
        now: datetime,
        dimensions: Dimensions = {},  # noqa: B006
        shares: Mapping[str, float] = NO_SHARES,
        profiles: Profiles = NO_PROFILES,
    ) -> Decided:
        """Every decision about the trace and its spans that is not in `known`. A partial trace gets none.

        `shares`: by evaluator, how much of its sample it still looks at; the rest is `skipped: overload`.
        """
        decided = Decided()
        if trace.partial or not trace.spans:
            return decided
        occasion = Occasion(source, event_time, now, dimensions, shares, profiles)
        subject = Subject(trace, None, known, occasion, Draft.of_trace(trace, event_time=event_time, source=source))
        for entry in self._of_traces:
            _decide(entry, subject, decided)
        return decided

    def decide_session(
        self,
        session: Session,
        known: Container[DecisionKey],
        *,
        source: Source | None,
        event_time: datetime,
        now: datetime,
        dimensions: Dimensions = {},  # noqa: B006
        shares: Mapping[str, float] = NO_SHARES,
        profiles: Profiles = NO_PROFILES,
    ) -> Decided:
        """Every decision about the session that is not in `known`; scores stand under its newest trace."""
        decided = Decided()
        if not session.traces or any(trace.partial for trace in session.traces):
            return decided
        occasion = Occasion(source, event_time, now, dimensions, shares, profiles)
        draft = Draft.of_session(session, event_time=event_time, source=source)
        subject = Subject(session.traces[-1], session, known, occasion, draft)
        for entry in self._of_sessions:
            _decide(entry, subject, decided)
        return decided

    def learners(self) -> dict[str, LearnerType]:
        """Of each evaluator that learns."""
        return {name: LearnerType(e.learner, e.learner_version) for name, e in self._learning.items()}

    def features(self, trace: Trace, scores: Iterable[Score]) -> Iterator[tuple[Score, Feature]]:
        """What the targets of these decisions show the evaluators that learn."""
        memo: dict[object, object] = {}
        for score in scores:
            evaluator = self._learning.get(score.evaluator)
            span = trace.by_id.get(score.span_id) if score.span_id is not None else None
            if evaluator is None or (span is None and score.target == "span"):
                continue
            with suppress(Exception):  # what cannot be read is on record as a failed decision
                yield from [(score, feature) for feature in evaluator.features(Target(trace, span, None, memo))]

    def to_scores(
        self, request: JudgeRequest, answers: Sequence[Sequence[Answer]], *, source: Source | None
    ) -> list[Score]:
        """The answers of `DeferredEvaluator.judge` as scores: for each view one for each decision of the request."""
        evaluator = self._by_name.get(request.evaluator)
        draft = Draft(
            {
                "trace_id": request.trace_id,
                "target": request.target,
                "session_id": request.session_id,
                "project": request.project,
                "environment": request.environment,
                "evaluator_version": request.evaluator_version,
                "kind": evaluator.kind if evaluator is not None else "llm",
                "revision": request.revision,
                "inclusion_probability": request.inclusion_probability,
                "event_time": request.event_time,
                "source": source,
            }
        )
        scores = []
        for index, view in enumerate(request.views):
            settled = settle(request.decisions, answers[index] if index < len(answers) else ())
            row = draft.of_view(view)
            for decision in request.decisions:
                answer = settled.get(decision) or Failure(INVALID, "the evaluator gave no answer")
                scores.append(row.score(decision, view.target_digest, answer, span_id=view.span_id))
        return scores

    def close(self) -> None:
        """End the processes of users' callables."""
        self._callables.close()


def _decide(entry: Entry, subject: Subject, decided: Decided) -> None:
    evaluator = entry.evaluator
    todo, settled, reason = select(entry, subject)
    before = len(decided.scores)
    if todo:
        probability = entry.inclusion_probability * subject.occasion.shares.get(evaluator.name, 1.0)
        draft = subject.draft.of_evaluator(evaluator, probability)
        if not is_sampled(subject.sampling_unit, evaluator.name, probability):
            _skip(draft, todo, evaluator, OVERLOAD, decided)
        elif evaluator.needs_complete and subject.is_incomplete:
            _skip(draft, todo, evaluator, "incomplete", decided)
        elif evaluator.lane == "inline":
            _evaluate(cast(InlineEvaluator, evaluator), todo, draft, decided)
        else:
            views = list(_views(cast(DeferredEvaluator, evaluator), todo, draft, decided))
            if views:
                decided.requests.append(_request(entry, subject, views, probability))
                settled += 1
    if not settled:
        answered = {score.evaluator for score in decided.scores[before:]}
        for decision in evaluator.decisions:
            if decision not in answered:
                decided.passed_over[decision] = reason


def _skip(draft: Draft, todo: Iterable[Todo], evaluator: Evaluator, reason: str, decided: Decided) -> None:
    for item in todo:
        decided.scores.extend(_rows(draft, item, settle(evaluator.decisions, [Skip(reason)])))


def _evaluate(evaluator: InlineEvaluator, todo: Sequence[Todo], draft: Draft, decided: Decided) -> None:
    for item in todo:
        try:
            answers: Iterable[Answer] = tuple(evaluator.evaluate(item.target))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic of a native library is no Exception
            answers = (failure_of(error),)
        if answers:
            decided.scores.extend(_rows(draft, item, settle(evaluator.decisions, answers)))


def failure_of(error: BaseException) -> Failure:
    """An exception as a recorded failure. Addresses are left out: equal input gives equal output."""
    return Failure(type(error).__name__, _ADDRESS.sub("0x…", str(error)[:1_000]))


def _rows(draft: Draft, item: Todo, settled: dict[str, Answer]) -> Iterator[Score]:
    for decision in item.missing:
        answer = settled.get(decision)
        if answer is not None:
            yield draft.score(decision, item.digest, answer, span=item.target.span)


def _views(evaluator: DeferredEvaluator, todo: Iterable[Todo], draft: Draft, decided: Decided) -> Iterator[View]:
    """The views that shall be judged; what cannot be viewed is recorded at once."""
    for item in todo:
        try:
            view = evaluator.view(item.target)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            view = failure_of(error)  # type: ignore[assignment]
        if isinstance(view, View):
            span = item.target.span
            prompt = span or prompted_span(item.target.trace)
            yield view.model_copy(
                update={
                    "target_id": target_id(item.target),
                    "target_digest": item.digest,
                    "span_id": span.span_id if span is not None else None,
                    "prompt_name": prompt.prompt_name if prompt else None,
                    "prompt_version": prompt.prompt_version if prompt else None,
                }
            )
        elif view is not None:
            answers = settle(evaluator.decisions, [view])
            decided.scores.extend(_rows(draft, item, answers))


def _request(entry: Entry, subject: Subject, views: Sequence[View], probability: float) -> JudgeRequest:
    evaluator, occasion = entry.evaluator, subject.occasion
    whole: Trace | Session = subject.session if subject.session is not None else subject.trace
    return JudgeRequest(
        trace_id=subject.trace.trace_id,
        session_id=whole.session_id,
        target=evaluator.target,
        project=whole.project,
        environment=whole.environment,
        evaluator=evaluator.name,
        evaluator_version=evaluator.version,
        decisions=evaluator.decisions,
        fingerprint=whole.fingerprint,
        revision=whole.revision,
        views=tuple(views),
        event_time=occasion.event_time,
        requested_at=occasion.now,
        inclusion_probability=probability,
        dimensions=occasion.dimensions,
        source=occasion.source or Source(topic="", partition=0, offset=0),
    )
