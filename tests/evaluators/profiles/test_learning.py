"""Learners as state machines: indifferent to cuts, exact through storage, bounded, unharmed by garbage."""

from __future__ import annotations

from itertools import pairwise

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluators.profiles.learning import Learning, is_due
from evaluators.registry import BUILT_IN, evaluator_class
from schemas.errors import Fatal
from schemas.measurement import in_columns
from schemas.profile import LEARNER_KIND, Feature, ProfileKey
from schemas.state_row import StateRow
from tests.evaluators.learned import School
from tests.evaluators.making import suite_of
from tests.evaluators.random_traces import traces
from tests.schemas.recorded import EXAMPLES, by_trace, lines

LEARNING_TYPES = tuple(name for name, _ in BUILT_IN if hasattr(evaluator_class(name), "learner"))


def suite_of_learners():  # type: ignore[no-untyped-def]
    return suite_of(f"[{', '.join(f'{{type: {name}}}' for name in LEARNING_TYPES)}]")


@pytest.fixture(scope="module")
def features() -> list[Feature]:
    """What the example runs show, faults included."""
    school = School(suite_of_learners())
    recorded = [
        t for name in ("airline", "airline_faulty") for t in by_trace(list(lines(EXAMPLES / f"{name}.otlp.jsonl.gz")))
    ]
    return [feature for trace in recorded for feature in school.features(trace)]


def learn(features: list[Feature], cuts: list[int], limit: int = 10_000):  # type: ignore[no-untyped-def]
    """All rows and profiles of learning in pieces, stored and loaded between every two of them."""
    types = suite_of_learners().learners()
    rows: dict[tuple[str, str], StateRow] = {}
    published = []
    places = [0, *sorted(cut % len(features) for cut in cuts), len(features)]
    for start, end in pairwise(places):
        learning = Learning(types, limit)
        learning.load(list(rows.values()))
        learning.learn(features[start:end])
        for row in learning.dirty():
            rows[row.kind, row.key] = row
        rows = {place: row for place, row in rows.items() if row.state}
        published += learning.published()
    return rows, published


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(cuts=st.lists(st.integers(min_value=0), max_size=4))
def test_cuts_and_storage_change_nothing(features: list[Feature], cuts: list[int]) -> None:
    rows, published = learn(features, [])
    again, published_again = learn(features, cuts)
    assert again == rows
    assert published_again == published
    numbers: dict[ProfileKey, int] = {}
    for profile in published:
        assert profile.number == numbers.get(profile.key, 0) + 1
        numbers[profile.key] = profile.number
    assert {key.evaluator for key in numbers} >= set(LEARNING_TYPES) - {"output_schema_drift"}


def test_what_is_not_seen_for_the_longest_is_forgotten(features: list[Feature]) -> None:
    rows, _ = learn(features, [], limit=10)
    assert len(rows) == 10
    last = list(dict.fromkeys(feature.key for feature in reversed(features)))[:10]
    assert {key for _, key in rows} == {key.text for key in last}
    assert learn(features, [7, 50, 333], limit=10)[0] == rows


def test_state_is_bounded() -> None:
    """Keys, types and depths without end, and prompts that are never the same."""
    learning = Learning(suite_of_learners().learners(), 10)
    for number in range(3_000):
        lines_ = "\n".join(f"s $.key_{'x' * (number % 50)}{chr(97 + number % 26)}{i % 7}z{number}" for i in range(20))
        learning.learn(
            [
                Feature(ProfileKey("p", "e", "tool_result_schema_drift", "t"), "o $\n" + lines_),
                Feature(ProfileKey("p", "e", "tool_result_empty", "t"), "record"),
                Feature(ProfileKey("p", "e", "latency_regression", "t"), str(number % 110)),
                Feature(
                    ProfileKey("p", "e", "prompt_template_drift", "prompt t"),
                    orjson.dumps(["prompt", [f"line {number * 40 + i}" for i in range(40)]]).decode(),
                ),
                Feature(
                    ProfileKey("p", "e", "prompt_template_drift", "tools t"),
                    orjson.dumps(["tools", {f"tool{number % 500}": f"definition {number}"}]).decode(),
                ),
            ]
        )
    assert max(len(row.state) for row in learning.dirty()) < 150_000
    assert not learning.dropped


@pytest.mark.parametrize(
    "body", ["", "?", "o", "q $", '["prompt"]', '["prompt", 5]', '["tools", {"a": 1}]', "9" * 30, "{}"]
)
def test_a_bad_feature_is_counted_and_harms_nobody(body: str) -> None:
    types = suite_of_learners().learners()
    learning = Learning(types, 100)
    for name in LEARNING_TYPES:
        learning.learn([Feature(ProfileKey("p", "e", name, "t"), body)])
    learning.learn([Feature(ProfileKey("p", "e", "gone", "t"), body)])
    assert learning.dropped["no_learner"] == 1
    assert learning.dropped["bad_feature"] == len(LEARNING_TYPES)
    again = Learning(types, 100)
    again.load(learning.dirty())


def test_a_damaged_row_stops_the_monitor() -> None:
    learning = Learning(suite_of_learners().learners(), 100)
    key = ProfileKey("p", "e", "tool_result_empty", "t").text
    with pytest.raises(Fatal, match="damaged"):
        learning.load([StateRow(f"{LEARNER_KIND}tool_result_empty", key, b"[1, 2]")])
    learning.load([StateRow(f"{LEARNER_KIND}not_configured", key, b"?"), StateRow("segment", "x", b"?")])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(trace=traces())
def test_any_trace_can_be_learned_and_travels(trace) -> None:  # type: ignore[no-untyped-def]
    school = School(suite_of_learners())
    shown = school.features(trace)
    sent = in_columns((), shown, topic="t", partition=0, epoch=0, partition_count=3)
    arrived = [
        feature
        for batch in sent.values()
        for feature in (type(batch).from_bytes(batch.to_bytes()).features or pytest.fail("no features")).past(-1)
    ]
    assert sorted(arrived) == sorted(shown)
    school.learning.learn(arrived)
    assert not school.learning.dropped
    for row in school.learning.dirty():
        orjson.loads(row.state)


def test_profiles_are_looked_at_often_at_first_and_seldom_later() -> None:
    due = [n for n in range(1, 1_000) if is_due(n)]
    assert due[:16] == [*range(1, 16), 16] and due[-3:] == [832, 896, 960]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(some=st.lists(traces(), min_size=1, max_size=3), other=traces())
def test_no_profile_makes_a_trace_fail(some, other) -> None:  # type: ignore[no-untyped-def]
    """Learned from random traces often enough to judge by, then asked about them and about another."""
    school = School(suite_of_learners())
    for trace in some * 8:
        school.attend(trace)
    for trace in (*some, other):
        before = repr(trace)
        scores = school.decide(trace)
        assert repr(trace) == before
        assert scores == school.decide(trace)
        for score in scores:
            assert score.status in ("scored", "skipped"), score.explanation
            orjson.loads(score.to_bytes())
