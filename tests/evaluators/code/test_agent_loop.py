"""agent_loop: circles, and repetitions that are none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.evaluators.code.sequences import Run, found_and_false, verdict
from tests.schemas.recorded import needs_shared

LOOKUP = ("lookup", {"id": "A1"}, '{"name": "Ada"}')


def rounds(count: int, *calls: tuple[str, object, object]) -> Run:
    """The same calls again and again, each asked for by a model call."""
    run = Run().user("please")
    for _ in range(count):
        for call in calls:
            run.llm().tool(*call)
    return run


@pytest.mark.parametrize(
    ("run", "label", "blamed"),
    [
        (rounds(3, LOOKUP), "repeated_call", "s1"),
        (rounds(5, ("search", {"q": "x y"}, "[]")), "repeated_call", "s1"),
        (rounds(3, LOOKUP, ("think", {"thought": "hm"}, None)), "cycle_of_2", "s1"),
        (rounds(3, LOOKUP, ("a", {"b": 1}, "2"), ("b", {"b": 1}, "3")), "cycle_of_3", "s1"),
        (rounds(3, LOOKUP, ("a", {"b": 1}, "2"), LOOKUP, ("b", {"b": 1}, "3")), "cycle_of_4", "s1"),
        (rounds(3, ("think", {"thought": "hm"}, None), ("buy", {"id": 1}, "Error: too dear")), "cycle_of_2", "s3"),
        (rounds(5, ("scroll", {}, "ok")), "repeated_call", "s1"),
        (Run().tool("other", {"id": 1}, "x").tool(*LOOKUP).tool(*LOOKUP).tool(*LOOKUP), "repeated_call", "s1"),
        (
            Run()
            .tool("find", {"query": "flights to Rome"}, "[]")
            .tool("find", {"query": "Flights to  rome?"}, "[]")
            .tool("find", {"query": "to Rome: flights"}, "[]"),
            "repeated_call",
            "s0",
        ),
        (rounds(20, ("state", {"job": 1}, None)), "repeated_call", "s1"),
    ],
)
def test_loops(run: Run, label: str, blamed: str) -> None:
    score = verdict("agent_loop", run)
    assert (score.passed, score.label, score.blamed_span_id) == (False, label, blamed), score.explanation
    assert len(score.evidence) >= 3 and "with the same arguments" in score.explanation


def polling(run: Run, index: int) -> Run:
    return run.tool("state", {"job": 1}, f"{index} %")


def other_ids(run: Run, index: int) -> Run:
    return run.tool("lookup", {"id": f"A{index}"}, "not found")


def other_numbers(run: Run, index: int) -> Run:
    return run.tool("find", {"query": f"rooms for {index} people"}, "[]")


def new_turns(run: Run, index: int) -> Run:
    return run.user("once more please").llm().tool(*LOOKUP)


def not_told(run: Run, index: int) -> Run:
    return run.tool("lookup", None, None)


def scrolling(run: Run, index: int) -> Run:
    return run.tool("scroll", {}, "ok") if index % 5 else run.tool("click", {"x": index}, "ok")


def swapped(run: Run, index: int) -> Run:
    return run.tool("lookup", {"origin": "AB"[index % 2], "destination": "BA"[index % 2], "day": index}, "[]")


def other_agents(run: Run, index: int) -> Run:
    return run.step("agent", "clerk", 1.0, span_id=f"a{index}").step(
        "tool", "t", 0.1, parent_id=f"a{index}", tool_name="lookup", arguments={"id": 1}, result="x y z"
    )


@pytest.mark.parametrize(
    "step", [polling, other_ids, other_numbers, new_turns, not_told, scrolling, swapped, other_agents]
)
def test_no_loops(step: Callable[[Run, int], Run]) -> None:
    run = Run().user("please")
    for index in range(12):
        step(run, index)
    score = verdict("agent_loop", run)
    assert score.passed is True, score.explanation


def test_twice_is_no_loop() -> None:
    assert verdict("agent_loop", rounds(2, LOOKUP)).passed is True
    assert verdict("agent_loop", rounds(2, LOOKUP), "{min_rounds: 2}").passed is False
    assert verdict("agent_loop", rounds(2, LOOKUP, ("a", {"b": 1}, "2"))).passed is True
    assert verdict("agent_loop", rounds(3, LOOKUP, ("a", {"b": 1}, "2")), "{max_period: 1}").passed is True
    assert verdict("agent_loop", rounds(4, ("scroll", {}, "ok"))).passed is True


def test_the_longest_loop_is_told() -> None:
    run = rounds(3, LOOKUP)
    for _ in range(4):
        run.tool("search", {"q": "x"}, "none at all")
    score = verdict("agent_loop", run)
    assert (score.value, score.blamed_span_id, score.attributes) == (3.0, "s6", {"period": 1, "rounds": 4})


@needs_shared
def test_recorded_runs() -> None:
    assert found_and_false("agent_loop", "repeated_call")[:3] == (12, 12, 0)
