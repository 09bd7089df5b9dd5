"""Causes: what other shares account for, what other scores do, and when nothing can be said."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

import pytest

from drift.cause import Sample, explained, judged_anew
from schemas.cause import Cause, CauseKind

KINDS: Mapping[str, CauseKind] = {"model": "app", "topic": "traffic", "judge_model": "judge"}
Trace = tuple[float, dict[str, str]]


def side(count: int, make: Callable[[random.Random], Trace], seed: int) -> Sample:
    dice = random.Random(seed)
    made = [make(dice) for _ in range(count)]
    return Sample([score for score, _ in made], {name: [f[name] for _, f in made] for name in KINDS})


def trace(
    dice: random.Random, rate: Mapping[str, float], share: float, model: str = "a", judge: str = "j", drop: float = 0.0
) -> Trace:
    """A verdict whose rate depends on the topic, of which `share` are hard."""
    topic = "hard" if dice.random() < share else "easy"
    return float(dice.random() < rate[topic] - drop), {"model": model, "topic": topic, "judge_model": judge}


RATE = {"easy": 0.95, "hard": 0.45}


def told(after: Callable[[random.Random], Trace], seed: int = 0, count: int = 400) -> Cause:
    before = side(1000, lambda dice: trace(dice, RATE, 0.1), seed)
    return explained(before, side(count, after, seed + 1000), KINDS)


@pytest.mark.parametrize("seed", range(5))
def test_harder_requests_are_a_change_of_traffic(seed: int) -> None:
    cause = told(lambda dice: trace(dice, RATE, 0.6), seed)
    assert (cause.verdict, cause.factor) == ("traffic", "topic")
    (effect,) = [e for e in cause.effects if e.factor == "topic"]
    assert effect.composition == pytest.approx(-0.25, abs=0.07)
    assert abs(effect.within) < 0.08
    assert effect.composition + effect.within == pytest.approx(cause.difference)
    assert "topic hard went from " in cause.explanation and "traffic change" in cause.explanation


@pytest.mark.parametrize("seed", range(5))
def test_another_model_is_a_change_of_the_app(seed: int) -> None:
    cause = told(lambda dice: trace(dice, RATE, 0.1, model="b", drop=0.25), seed)
    assert (cause.verdict, cause.factor) == ("app", "model")
    shares = {g.value: (g.share_before, g.share_after) for e in cause.effects if e.factor == "model" for g in e.groups}
    assert shares == {"a": (1.0, 0.0), "b": (0.0, 1.0)}


@pytest.mark.parametrize("seed", range(8))
def test_a_few_traces_on_the_wrong_side_do_not_hide_the_model(seed: int) -> None:
    """The change was dated a little early: the first of 36 traces after it are still of the old model."""
    dice = random.Random(seed)
    before = side(900, lambda d: trace(d, RATE, 0.0), seed)
    late = [trace(dice, RATE, 0.0) for _ in range(5)] + [trace(dice, RATE, 0.0, model="b", drop=0.4) for _ in range(31)]
    after = Sample([score for score, _ in late], {name: [f[name] for _, f in late] for name in KINDS})
    assert explained(before, after, KINDS).verdict == "app"


def test_another_judge_is_a_change_of_the_judge() -> None:
    cause = told(lambda dice: trace(dice, RATE, 0.1, judge="k", drop=0.25))
    assert (cause.verdict, cause.factor) == ("judge", "judge_model")


def test_worse_answers_to_the_same_requests_are_unclear() -> None:
    cause = told(lambda dice: trace(dice, RATE, 0.1, drop=0.3))
    assert cause.verdict == "unclear" and cause.factor is None
    assert "with the traces as they were (model, topic, judge_model compared)" in cause.explanation


def test_two_things_at_once_are_unclear_and_named() -> None:
    cause = told(lambda dice: trace(dice, RATE, 0.6, model="b"))
    assert cause.verdict == "unclear"
    assert "model" in cause.explanation and "topic" in cause.explanation


def test_a_model_for_some_of_the_traces_explains_only_its_part() -> None:
    def mixed(dice: random.Random) -> Trace:
        return trace(dice, RATE, 0.1, model=dice.choice("aaaaab"), drop=0.3)

    assert told(mixed).verdict == "unclear"


def test_too_few_traces_say_nothing() -> None:
    cause = told(lambda dice: trace(dice, RATE, 0.9), count=12)
    assert cause.verdict == "unclear" and cause.effects == ()
    assert "1000 traces before and 12 after" in cause.explanation


def test_chance_is_seldom_told_as_a_cause() -> None:
    """The scores fall for no known reason, the topics vary by chance."""
    verdicts = [told(lambda dice: trace(dice, RATE, 0.1, drop=0.25), seed).verdict for seed in range(60)]
    assert verdicts.count("unclear") >= 58


def test_very_many_values_are_bounded() -> None:
    def user(dice: random.Random) -> Trace:
        score, factors = trace(dice, RATE, 0.1)
        return score, factors | {"topic": f"user {dice.randrange(500)}"}

    cause = explained(side(600, user, 1), side(600, user, 2), KINDS)
    assert all(len(e.groups) <= 6 for e in cause.effects)
    assert cause.verdict == "unclear"


def test_it_is_the_same_every_time() -> None:
    again = [told(lambda dice: trace(dice, RATE, 0.6)).to_bytes() for _ in range(2)]
    assert again[0] == again[1]


def test_a_judge_that_judges_the_same_items_otherwise_is_the_cause() -> None:
    dice = random.Random(4)
    items = {f"i{i}": float(dice.random() < 0.8) for i in range(60)}
    anew = {item: verdict if dice.random() < 0.6 else 0.0 for item, verdict in items.items()}
    effect = judged_anew("canary:frozen", items, anew)
    assert effect is not None and effect.low < effect.composition < effect.high < 0
    before = side(1000, lambda dice: trace(dice, RATE, 0.1), 1)
    cause = explained(before, side(400, lambda dice: trace(dice, RATE, 0.1, drop=0.3), 2), KINDS, [effect])
    assert (cause.verdict, cause.factor) == ("judge", "canary:frozen")
    assert "verdicts on the same items of canary:frozen moved by" in cause.explanation
    same = judged_anew("canary:frozen", items, items)
    assert same is not None and explained(before, before, KINDS, [same]).verdict == "unclear"
    assert judged_anew("canary:frozen", {"a": 1.0}, {"a": 0.0}) is None
