"""The suite: which decisions are made, under which digest, and what stands in a score."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from evaluators.base import CodeEvaluator, DeferredBase, Environment, Identity, NoOptions
from evaluators.callable.pool import CallablePool
from evaluators.protocol import Answer, Failure, Skip, Target, Verdict
from evaluators.run import Suite
from evaluators.select import is_sampled
from evaluators.subject import Entry
from schemas.judge_request import View
from schemas.score import Evidence
from schemas.settings import Settings
from schemas.source import Source
from schemas.trace import Session, Trace
from tests.evaluators.making import START, Writer, decide, said, suite_of

SOURCE = Source(topic="traces", partition=1, offset=7)


class Scripted(CodeEvaluator[NoOptions]):
    """Answers what it was told to."""

    answers: Any = ()

    def evaluate(self, target: Target) -> Iterable[Answer]:
        if isinstance(self.answers, BaseException):
            raise self.answers
        return self.answers(target) if callable(self.answers) else self.answers


class Judge(DeferredBase[NoOptions]):
    """Shows the span's name."""

    kind = "llm"
    shows: Any = None

    def view(self, target: Target) -> View | Skip | None:
        if isinstance(self.shows, BaseException):
            raise self.shows
        if self.shows is not None:
            return self.shows
        return self.make_view(target, {"name": target.span.name if target.span else "trace"})

    async def judge(self, views: Sequence[View], deadline_s: float) -> list[list[Answer]]:
        return [[Verdict(value=1.0)] for _ in views]


def made(found: type[Any], *, decisions: tuple[str, ...] | None = None, **identity: Any) -> Any:
    """An evaluator without a configuration."""
    fields = {"name": "e", "version": "v1", "target": "span", "span_kinds": frozenset(("llm",)), **identity}
    evaluator = found(Identity(**fields), NoOptions(), Environment(Settings(), None, None))  # type: ignore[arg-type]
    evaluator.decisions = decisions or evaluator.decisions
    return evaluator


def suite_with(*evaluators: Any, sample_rate: float = 1.0) -> Suite:
    return Suite([Entry(each, None, sample_rate) for each in evaluators], CallablePool(1, 1.0))


def scripted(answers: Any, **identity: Any) -> Suite:
    evaluator = made(Scripted, **identity)
    evaluator.answers = answers
    return suite_with(evaluator)


def test_fields_of_a_span_score() -> None:
    trace = (
        Writer(session_id="s")
        .llm("a", prompt_name="p", prompt_version="2", request_model="m", response_model="m-1")
        .tool()
        .trace()
    )
    suite = suite_of("[{type: length, sample_rate: 0.999999, options: {max: 0}}]")
    (score,) = suite.decide(trace, set(), source=SOURCE, event_time=START, now=START).scores
    assert (score.trace_id, score.span_id, score.target, score.target_digest) == (
        "t1",
        "s0",
        "span",
        trace.spans[0].digest,
    )
    assert (score.project, score.environment, score.session_id, score.revision) == ("shop", "test", "s", 2)
    assert (score.prompt_name, score.prompt_version, score.model) == ("p", "2", "m-1")
    assert (score.event_time, score.source, score.inclusion_probability) == (START, SOURCE, 0.999999)
    assert (score.status, score.passed, score.blamed_span_id, score.latency_s) == ("scored", False, "s0", None)
    assert score == type(score).from_bytes(score.to_bytes())


def test_a_trace_score_names_the_prompt_of_the_last_model_call() -> None:
    trace = Writer().llm("a", prompt_name="first").llm("b", prompt_name="last", prompt_version="3").tool().trace()
    (score,) = decide(suite_of("[{type: length, target: trace, options: {max: 0}}]"), trace).scores
    assert (score.span_id, score.target_digest, score.blamed_span_id) == (None, trace.fingerprint, None)
    assert (score.prompt_name, score.prompt_version, score.key.target_id) == ("last", "3", "")


def test_what_is_known_is_not_made_again() -> None:
    suite = suite_of("[{type: length}, {type: length, name: whole, target: trace}]")
    trace = Writer().llm("a").llm("b").trace()
    first = decide(suite, trace).scores
    assert len(first) == 3
    rest = decide(suite, trace, {first[0].key, first[2].key})
    assert [score.key for score in rest.scores] == [first[1].key]
    nothing = decide(suite, trace, {score.key for score in first})
    assert (nothing.scores, nothing.passed_over) == ([], {})


def test_a_late_span_touches_only_what_depends_on_it() -> None:
    entries = "[{type: length}, {type: length, name: wide, context: trace}, {type: length, name: whole, target: trace}]"
    suite, writer = suite_of(entries), Writer().llm("a")
    known = {score.key for score in decide(suite, writer.trace()).scores}
    made_again = decide(suite, writer.llm("late").trace(), known).scores
    assert [(s.evaluator, s.span_id) for s in made_again] == [
        *[("length", "s1"), ("wide", "s0"), ("wide", "s1"), ("whole", None)],
    ]


def test_partial_traces_are_not_decided() -> None:
    decided = decide(suite_of("[{type: length}]"), said("a").model_copy(update={"partial": True}))
    assert (decided.scores, decided.requests, decided.passed_over) == ([], [], {})


def test_incomplete_traces_are_skipped_by_who_needs_them_whole() -> None:
    suite = suite_of("[{type: length}, {type: length, name: careful, needs_complete: true}]")
    scores = decide(suite, said("a").model_copy(update={"incomplete": True})).scores
    assert [(s.evaluator, s.status, s.skip_reason) for s in scores] == [
        ("length", "scored", None),
        ("careful", "skipped", "incomplete"),
    ]


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        (ValueError("it broke at 0x7f00deadbeef"), "ValueError"),
        (RecursionError(), "RecursionError"),
        ([Verdict(value=float("nan"))], "InvalidVerdict"),
        ([Verdict(value=float("inf"))], "InvalidVerdict"),
        ([Verdict(value="high")], "InvalidVerdict"),
        ([Verdict(value=10**400)], "InvalidVerdict"),
        ([Verdict(passed=1)], "InvalidVerdict"),
        ([Verdict()], "InvalidVerdict"),
        ([Verdict(value=1.0, label=3)], "InvalidVerdict"),
        ([Verdict(value=1.0, explanation=None)], "InvalidVerdict"),
        ([Verdict(value=1.0, evidence=("here",))], "InvalidVerdict"),
        ([Verdict(value=1.0, attributes={"x": object()})], "InvalidVerdict"),
        ([Verdict(value=1.0), Verdict(value=0.0)], "InvalidVerdict"),
        ([Verdict(value=1.0, decision="other")], "InvalidVerdict"),
        ([Skip("")], "InvalidVerdict"),
        (["fine"], "InvalidVerdict"),
        ([None], "InvalidVerdict"),
        (5, "TypeError"),
        ([Failure("Mine", "why")], "Mine"),
    ],
)
def test_what_goes_wrong_is_a_failed_score(answers: Any, error: str) -> None:
    suite = Suite([*_entries(scripted(answers)), *_entries(suite_of("[{type: length}]"))], CallablePool(1, 1.0))
    failed, fine = decide(suite, said("a")).scores
    assert (failed.status, failed.error_type, failed.value, failed.passed) == ("failed", error, None, None)
    assert "0x7f" not in failed.explanation
    assert (fine.evaluator, fine.status) == ("length", "scored")
    assert not decide(suite, said("a"), {failed.key, fine.key}).scores


def test_a_panic_of_a_native_library_is_a_failed_score() -> None:
    class PanicException(BaseException):
        pass

    (score,) = decide(scripted(PanicException("index out of range")), said("a")).scores
    assert (score.status, score.error_type) == ("failed", "PanicException")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)])
def test_stopping_the_process_is_no_failed_score(error: BaseException) -> None:
    with pytest.raises(type(error)):
        decide(scripted(error), said("a"))


def test_several_decisions_of_one_evaluator() -> None:
    evaluator = made(Scripted, decisions=("polite", "brief", "kind"))
    evaluator.answers = [Verdict(value=1.0, decision="polite"), Skip("truncated", decision="brief")]
    suite = suite_with(evaluator)
    decided = decide(suite, said("a"))
    assert suite.current_versions() == {"polite": "v1", "brief": "v1", "kind": "v1"}
    assert [(s.evaluator, s.status) for s in decided.scores] == [("polite", "scored"), ("brief", "skipped")]
    assert decided.passed_over == {"kind": "no_target"}
    evaluator.answers = [Verdict(value=1.0, decision="polite"), Verdict(value=1.0)]
    assert [s.status for s in decide(suite, said("a")).scores] == ["scored", "failed", "failed"]
    only = decide(suite, said("a"), {decided.scores[0].key}).scores
    assert [s.evaluator for s in only] == ["brief", "kind"]


def test_text_of_an_answer_is_bounded_and_clean() -> None:
    evidence = tuple(Evidence(path="p", quote="q" * 9_000) for _ in range(99))
    answer = Verdict(value=1.0, label="l" * 900, explanation="\x00\ud800" + "e" * 9_000, evidence=evidence)
    (score,) = decide(scripted([answer]), said("a")).scores
    assert (len(score.label or ""), len(score.explanation), len(score.evidence)) == (200, 1999, 20)
    assert len(score.evidence[0].quote) == 300
    assert "\x00" not in score.explanation and score.to_bytes()


def test_why_there_is_no_decision() -> None:
    entries = """
  - {type: length, name: kind, span_kinds: [retrieval]}
  - {type: length, name: filtered, filter: 'span.name == "other"'}
  - {type: length, name: sampled, sample_rate: 0}
  - {type: length, name: broken, filter: 'span.attributes["missing"] == 1'}
  - {type: json_validity, name: nothing}
  - {type: length, name: half, filter: 'span.attributes["n"] == 1'}"""
    trace = Writer().llm(calls=()).llm("a", attributes={"n": 1}).trace()
    decided = decide(suite_of(entries), trace.model_copy(update={"messages": {}}))
    assert decided.scores == []
    assert decided.passed_over == {
        "kind": "no_target",
        "filtered": "filtered",
        "sampled": "sampled_out",
        "broken": "filter_error",
        "nothing": "no_target",
        "half": "filter_error",
    }
    assert "half" not in decide(suite_of(entries), trace).passed_over


def test_sampling_is_the_same_everywhere_and_as_often_as_asked() -> None:
    suite, again = (suite_of("[{type: length, sample_rate: 0.3}]") for _ in range(2))
    taken = []
    for number in range(2_000):
        trace = said("a").model_copy(update={"trace_id": f"trace-{number}"})
        scores = decide(suite, trace).scores
        assert bool(scores) == bool(decide(again, trace).scores) == is_sampled(trace.trace_id, "length", 0.3)
        taken += scores
    assert 540 < len(taken) < 660
    assert {score.inclusion_probability for score in taken} == {0.3}


def test_order_of_scores_is_that_of_the_configuration_and_of_the_spans() -> None:
    suite = suite_of("[{type: length, name: b}, {type: latency, name: a}]")
    trace = Writer().llm("x").tool().llm("y").trace()
    assert [(s.evaluator, s.span_id) for s in decide(suite, trace).scores] == [
        *[("b", "s0"), ("b", "s2"), ("a", "s0"), ("a", "s1"), ("a", "s2")]
    ]


def test_sessions() -> None:
    suite = suite_of("[{type: length, name: talk, target: session, options: {text: all}}, {type: length}]")
    one, two = said("hello", input="hi"), Writer("t2").llm("there").trace(incomplete=True)
    session = Session(session_id="s", project="p", traces=(one, two), revision=2, fingerprint="f")
    decided = suite.decide_session(session, set(), source=SOURCE, event_time=START, now=START)
    (score,) = decided.scores
    assert (score.value, score.trace_id, score.span_id, score.target_id) == (12.0, "t2", None, "session:s")
    assert (score.session_id, score.project, score.revision, score.target_digest) == ("s", "p", 2, "f")
    assert not suite.decide_session(session, {score.key}, source=None, event_time=START, now=START).scores
    assert {s.evaluator for s in decide(suite, one).scores} == {"length"}
    careful = suite_of("[{type: length, target: session, needs_complete: true}]")
    (skipped,) = careful.decide_session(session, set(), source=None, event_time=START, now=START).scores
    assert skipped.skip_reason == "incomplete"


def test_judge_requests_hold_the_views_that_are_missing() -> None:
    evaluator = made(Judge, decisions=("one", "two"), context="trace")
    suite = suite_with(evaluator, sample_rate=0.5)
    trace = _sampled(Writer(session_id="s").llm("a", name="x").tool().llm("b", name="y").trace(), "e")
    dimensions = {"model": {"m": None}}
    later = START + timedelta(seconds=3)
    (request,) = suite.decide(trace, set(), source=SOURCE, event_time=START, now=later, dimensions=dimensions).requests
    assert [(v.target_id, v.span_id, v.target_digest, v.fields) for v in request.views] == [
        ("s0", "s0", trace.fingerprint, {"name": "x"}),
        ("s2", "s2", trace.fingerprint, {"name": "y"}),
    ]
    assert (request.evaluator, request.evaluator_version, request.decisions) == ("e", "v1", ("one", "two"))
    assert (request.requested_at, request.event_time, request.source) == (later, START, SOURCE)
    assert (request.inclusion_probability, request.dimensions, request.fingerprint) == (
        0.5,
        dimensions,
        trace.fingerprint,
    )
    assert suite.deferred() == {"e": evaluator}

    answers = [[Verdict(value=1.0, decision="one", model="judge-1", cost_usd=0.1), Failure("Timeout", decision="two")]]
    scores = suite.to_scores(request, answers, source=request.source)
    assert [(s.evaluator, s.span_id, s.status, s.error_type) for s in scores] == [
        ("one", "s0", "scored", None),
        ("two", "s0", "failed", "Timeout"),
        ("one", "s2", "failed", "InvalidVerdict"),
        ("two", "s2", "failed", "InvalidVerdict"),
    ]
    assert (scores[0].kind, scores[0].model, scores[0].cost_usd, scores[0].session_id) == ("llm", "judge-1", 0.1, "s")
    half = suite.decide(trace, {scores[0].key, scores[1].key}, source=SOURCE, event_time=START, now=START)
    assert [view.span_id for view in half.requests[0].views] == ["s2"]
    done = suite.decide(trace, {s.key for s in scores}, source=SOURCE, event_time=START, now=START)
    assert (done.requests, done.passed_over) == ([], {})


@pytest.mark.parametrize(
    ("shows", "status", "why"),
    [
        (Skip("truncated"), "skipped", "truncated"),
        (ValueError("no"), "failed", "ValueError"),
        (5, "failed", "InvalidVerdict"),
    ],
)
def test_a_view_that_cannot_be_made_is_recorded(shows: Any, status: str, why: str) -> None:
    evaluator = made(Judge, decisions=("one", "two"))
    evaluator.shows = shows
    decided = decide(suite_with(evaluator), said("a"))
    assert decided.requests == []
    assert [(s.evaluator, s.status, s.skip_reason or s.error_type) for s in decided.scores] == [
        ("one", status, why),
        ("two", status, why),
    ]


def test_scores_of_an_evaluator_that_is_no_longer_configured() -> None:
    (request,) = decide(suite_with(made(Judge)), said("a")).requests
    (score,) = suite_of("[]").to_scores(request, [[Verdict(value=1.0)]], source=None)
    assert (score.status, score.kind, score.evaluator) == ("scored", "llm", "e")


def test_a_trace_without_root_with_a_cycle_or_from_the_future() -> None:
    suite = suite_of("[{type: length, target: trace}, {type: latency, target: trace}, {type: latency, name: l}]")
    cycle = Writer().llm("a", parent_id="s1").llm("b", parent_id="s0").trace()
    assert {s.status for s in decide(suite, cycle).scores} == {"scored"}
    lost = Writer().llm("a", parent_id="gone").trace()
    assert {s.status for s in decide(suite, lost).scores} == {"scored"}
    future = Writer().llm("a", start=START.replace(year=9999), end=START).trace()
    assert [(s.evaluator, s.skip_reason) for s in decide(suite, future).scores] == [
        *[("length", None), ("latency", "negative_duration"), ("l", "negative_duration")]
    ]
    assert decide(suite, Trace(trace_id="t", spans=())).scores == []


def _entries(suite: Suite) -> list[Entry]:
    return [Entry(evaluator) for evaluator in suite.evaluators]


def _sampled(trace: Trace, name: str) -> Trace:
    """The trace under an id that is sampled at one half."""
    trace_id = next(f"t{i}" for i in range(100) if is_sampled(f"t{i}", name, 0.5))
    return trace.model_copy(update={"trace_id": trace_id})
