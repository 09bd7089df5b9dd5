"""latency_critical_path: who owns the wall time, and who is slow beside its peers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluators.critical_path import critical_path
from schemas.trace import Span, Trace
from tests.evaluators.code.sequences import Run, found_and_false, verdict
from tests.evaluators.making import START
from tests.schemas.recorded import needs_shared

NAME = "latency_critical_path"


def spans(*rows: tuple[str, str | None, float, float]) -> Trace:
    """Spans as (id, parent, start, end) in seconds; those with children are agents."""
    parents = {parent for _, parent, _, _ in rows}
    return Trace(
        trace_id="t",
        spans=tuple(
            Span(
                span_id=name,
                parent_id=parent,
                name=name,
                kind="agent" if name in parents else "tool",
                start=START + timedelta(seconds=start),
                end=START + timedelta(seconds=end),
            )
            for name, parent, start, end in rows
        ),
    )


@pytest.mark.parametrize(
    ("trace", "own"),
    [
        (spans(("r", None, 0, 10), ("a", "r", 1, 4), ("b", "r", 4, 9)), {"r": 2, "a": 3, "b": 5}),
        # side by side: the one that ends last is on the path
        (spans(("r", None, 0, 10), ("a", "r", 0, 6), ("b", "r", 0, 10)), {"r": 0, "b": 10}),
        # overlapping: time counts once
        (spans(("r", None, 0, 10), ("a", "r", 0, 6), ("b", "r", 4, 10)), {"r": 0, "a": 4, "b": 6}),
        # a child outlives its parent, which outlives the root
        (spans(("r", None, 0, 5), ("p", "r", 1, 4), ("c", "p", 2, 12)), {"r": 1, "p": 1, "c": 10}),
        # a child that began before its parent
        (spans(("r", None, 2, 8), ("c", "r", 0, 7)), {"r": 1, "c": 7}),
        # work that was started and not waited for
        (spans(("r", None, 0, 10), ("a", "r", 0, 9), ("lost", "r", 1, 3)), {"r": 1, "a": 9}),
        # two roots with a gap that nobody owns
        (spans(("r", None, 0, 2), ("q", None, 5, 6)), {"r": 2, "q": 1}),
        # parents in a circle
        (spans(("a", "b", 0, 2), ("b", "a", 2, 5)), {"a": 2, "b": 3}),
        (spans(("a", "gone", 0, 2)), {"a": 2}),
    ],
)
def test_who_owns_the_time(trace: Trace, own: dict[str, float]) -> None:
    found = {name: seconds for name, seconds in critical_path(trace).own_s.items() if seconds}
    assert found == pytest.approx({name: seconds for name, seconds in own.items() if seconds})


_ROWS = st.lists(
    st.tuples(
        st.sampled_from("abcdef"), st.none() | st.sampled_from("abcdefx"), st.integers(0, 50), st.integers(0, 30)
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda row: row[0],
)


@settings(max_examples=300, deadline=None)
@given(_ROWS)
def test_no_moment_is_owned_twice(rows: list[Any]) -> None:
    path = critical_path(spans(*((name, parent, start, start + length) for name, parent, start, length in rows)))
    assert 0 <= sum(path.own_s.values()) <= path.wall_s + 1e-6
    lengths = {name: length for name, _, _, length in rows}
    assert all(0 <= seconds <= lengths[name] + 1e-6 for name, seconds in path.own_s.items())


def conversation(*seconds: float, tokens: int = 50) -> Run:
    run = Run()
    for index, length in enumerate(seconds):
        run.user(f"q{index}").llm(f"a{index}", seconds=length, tokens=(100, tokens)).wait(8)
    return run


def test_a_slow_model_call() -> None:
    score = verdict(NAME, conversation(1.2, 1.5, 40.0, 1.1, 2.0))
    assert (score.passed, score.label, score.blamed_span_id) == (False, "chat gpt-4o", "s2")
    assert score.value == pytest.approx(40 / 85.8, abs=0.01)
    assert "40.0 s" in score.explanation and score.evidence[0].quote == "40.000 s"
    assert score.attributes["share_of_work"] == pytest.approx(40 / 45.8, abs=0.001)


def test_a_slow_tool_call() -> None:
    run = (
        conversation(1.2, 1.5, 1.0)
        .tool("search", {"q": 1}, "x", seconds=0.2)
        .tool("search", {"q": 2}, "x", seconds=0.1)
    )
    run.tool("search", {"q": 3}, "x", seconds=16.0)
    assert verdict(NAME, run).label == "execute_tool search"
    assert verdict(NAME, run).blamed_span_id == "s5"
    assert verdict(NAME, run, "{usually_slow: [search]}").passed is True


def test_what_is_not_to_blame() -> None:
    assert verdict(NAME, conversation(1.2, 1.5, 4.0, 1.1)).passed is True  # too short to matter
    assert verdict(NAME, conversation(9.0, 11.0, 14.0, 8.0)).passed is True  # all are slow
    assert verdict(NAME, conversation(1.2, 40.0)).passed is True  # no peers
    assert verdict(NAME, conversation(1.2, 1.0).wait(600).llm("x")).passed is True  # the user was slow
    assert verdict(NAME, conversation(1.2, 40.0, 1.1, 1.0), "{min_ratio: 50}").passed is True
    assert verdict(NAME, conversation(1.2, 40.0, 1.1, 1.0), "{max_share: 0.95}").passed is True
    assert verdict(NAME, conversation(1.2, 40.0, 1.1, 1.0), "{min_s: 41}").passed is True


def test_a_long_answer_may_take_long() -> None:
    run = conversation(1.2, 1.5, 1.0).llm("a long one", seconds=20.0, tokens=(100, 1_000))
    assert verdict(NAME, run).passed is True
    run = conversation(1.2, 1.5, 1.0).llm("a short one", seconds=20.0, tokens=(100, 60))
    assert verdict(NAME, run).passed is False


def test_a_slow_step_beside_the_path_is_not_to_blame() -> None:
    run = conversation(1.2, 1.5, 1.0)
    start = run.spans[-1].end
    run.step("tool", "warm_cache", 20.0, start=start, tool_name="warm_cache")
    run.step("llm", "chat gpt-4o", 20.5, start=start)
    assert verdict(NAME, run).blamed_span_id == "s4"


def test_clocks_that_run_backwards() -> None:
    run = conversation(1.0, 1.0)
    run.spans[0] = run.spans[0].model_copy(update={"end": START - timedelta(seconds=1)})
    assert verdict(NAME, run).skip_reason == "negative_duration"


@needs_shared
def test_recorded_runs() -> None:
    assert found_and_false(NAME, "slow_step")[:3] == (12, 12, 0)
