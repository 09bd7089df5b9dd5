"""One suite for every shipped code evaluator: pure, deterministic, and not to be brought down by any trace."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings

from evaluators.protocol import InlineEvaluator
from evaluators.registry import BUILT_IN, evaluator_class, type_names
from evaluators.run import Suite
from schemas.trace import Session, Trace
from tests.evaluators.making import START, Writer, decide, suite_of
from tests.evaluators.random_traces import nested, traces

OPTIONS = {
    "json_schema_match": "{schema: {type: object, required: [a]}}",
    "regex": "{must_match: '(a+)+$', must_not_match: ['(x|x)*y']}",
    "contains": "{any_of: [a], none_of: [zz], case: insensitive}",
    "length": "{min: 1, max: 10}",
    "latency": "{max_s: 1}",
    "tokens": "{max_total: 10}",
    "cost": "{max_usd: 0.1}",
    "pii": "{text: all}",
    "tool_permission": "{forbidden: [weather], needs_confirmation: ['*']}",
}
DEFERRED = ("llm_judge", "embedding_similarity", "embedding")
CODE = tuple(name for name, _ in BUILT_IN if name not in (*DEFERRED, "python"))
MORE = "prices: {gpt-4o*: {input_per_mtok: 2.5, output_per_mtok: 10, cached_input_per_mtok: 1.25}}"


def suite_for(type_name: str) -> Suite:
    """The evaluator on every target it can judge and on all kinds of spans."""
    entries = []
    for target in sorted(evaluator_class(type_name).targets):
        options = OPTIONS.get(type_name, "{}")
        entries.append(f"{{type: {type_name}, name: {type_name}_{target}, target: {target}, options: {options}}}")
        if target == "span":
            kinds = "[agent, llm, tool, retrieval, embedding, other]"
            entries.append(
                f"{{type: {type_name}, name: {type_name}_any, span_kinds: {kinds}, options: {options}, context: trace}}"
            )
    return suite_of(f"[{', '.join(entries)}]", more=MORE)


@pytest.mark.parametrize("type_name", CODE)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(trace=traces())
def test_survives_any_trace(type_name: str, trace: Trace) -> None:
    suite = suite_for(type_name)
    before = repr(trace)
    first = decide(suite, trace)
    again = decide(suite_for(type_name), trace.model_copy(deep=True))
    assert [score.to_bytes() for score in first.scores] == [score.to_bytes() for score in again.scores]
    assert first.passed_over == again.passed_over
    assert repr(trace) == before
    for score in first.scores:
        assert score.status in ("scored", "skipped", "failed")
        if score.status == "failed":
            assert score.error_type == "TooDeep", score.explanation
        orjson.loads(score.to_bytes())
    answered = {score.evaluator for score in first.scores} | first.passed_over.keys()
    expected = {name for e in suite.evaluators if e.target != "session" for name in e.decisions}
    assert answered == expected
    assert {score.key for score in first.scores} == {score.key for score in decide(suite, trace).scores}
    assert not decide(suite, trace, {score.key for score in first.scores}).scores


@pytest.mark.parametrize("type_name", CODE)
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(one=traces(), other=traces())
def test_survives_any_session(type_name: str, one: Trace, other: Trace) -> None:
    suite = suite_for(type_name)
    session = Session(session_id="s", traces=(one, other), fingerprint="f", revision=2)
    decided = suite.decide_session(session, set(), source=None, event_time=START, now=START)
    for score in decided.scores:
        assert score.target_id == "session:s" and score.trace_id == other.trace_id
        assert score.error_type in (None, "TooDeep"), score.explanation


@pytest.mark.parametrize("type_name", CODE)
def test_says_what_it_is(type_name: str) -> None:
    found = evaluator_class(type_name)
    assert found.__doc__ and len(found.__doc__.splitlines()) > 1
    assert found.implementation_version >= 1
    for name, field in found.Options.model_fields.items():
        assert field.description or field.annotation is not None, name
    evaluator = suite_for(type_name).evaluators[0]
    assert isinstance(evaluator, InlineEvaluator)
    assert evaluator.default_target in evaluator.targets  # type: ignore[attr-defined]


@pytest.mark.parametrize("type_name", CODE)
def test_a_thousand_levels_harm_nobody(type_name: str) -> None:
    deep = nested(1000)
    trace = (
        Writer()
        .llm("fine", usage=(1, 1), request_model="gpt-4o", attributes={"deep": deep})
        .tool(arguments=deep, result=deep)
        .tool(arguments={"city": "Paris"}, result="sunny")
        .trace(resource={"deep": deep})
    )
    for score in decide(suite_for(type_name), trace).scores:
        assert score.error_type in (None, "TooDeep"), score.explanation
        assert score.status != "failed" or score.span_id in ("s1", None)


def test_every_shipped_type_is_covered() -> None:
    assert set(CODE) | set(DEFERRED) | {"python"} == {name for name, _ in BUILT_IN} <= set(type_names())


def test_shipped_modules_lie_where_the_registry_says() -> None:
    root = Path(__file__).parents[2]
    for _, place in BUILT_IN:
        assert (root / (place.partition(":")[0].replace(".", "/") + ".py")).is_file()
