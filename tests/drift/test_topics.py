"""Topics of unlabelled texts: told apart, named by their own words, the same every time."""

from __future__ import annotations

import random

import pytest

from drift.cause import Sample, effect_of, explained
from drift.topics import LEAST_TEXTS_A_WORD, topics

KINDS = {
    "refund": [
        "refund my order",
        "money back for order {n}",
        "return the order and refund it",
        "I want a refund please",
    ],
    "flight": [
        "change my flight to {c}",
        "book a flight to {c}",
        "cancel the flight from {c}",
        "flight status for {c}",
    ],
    "bag": ["lost baggage at {c}", "my suitcase is damaged", "extra baggage price", "where is my suitcase"],
}
CITIES = ["Oslo", "Rome", "Lima", "Cairo", "Quito", "Accra"]


def said(dice: random.Random, kind: str) -> str:
    return dice.choice(KINDS[kind]).format(n=dice.randrange(10_000), c=dice.choice(CITIES))


def drawn(dice: random.Random, count: int, weights: tuple[float, float, float]) -> list[str]:
    return dice.choices(list(KINDS), weights, k=count)


def test_topics_are_told_apart_by_their_words() -> None:
    dice = random.Random(1)
    kinds = drawn(dice, 300, (1, 1, 1))
    texts = [said(dice, kind) for kind in kinds]
    found = topics(texts)
    assert found is not None and found == topics(texts)
    pure = sum(
        max(sum(k == kind and f == name for k, f in zip(kinds, found, strict=True)) for kind in KINDS)
        for name in set(found)
    )
    assert pure > 0.9 * len(texts), "a topic holds texts of one kind"


def test_a_name_quotes_nobody() -> None:
    dice = random.Random(2)
    texts = [f"{said(dice, 'refund')} secret{n}" for n in range(200)]
    names = topics(texts)
    assert names is not None
    for name in set(names):
        for word in name.split(", "):
            assert sum(word in text.lower() for text in texts) >= LEAST_TEXTS_A_WORD or word == "other"


@pytest.mark.parametrize("texts", [[], ["hello"] * 10, [f"word{n}" for n in range(200)], [""] * 100])
def test_too_little_to_tell(texts: list[str]) -> None:
    assert topics(texts) is None


RATE = {"refund": 0.9, "flight": 0.95, "bag": 0.4}


def verdict(seed: int, weights: tuple[float, float, float], drop: float) -> str:
    """200 traces on either side of a change; what is said of it, knowing only what users said."""
    dice = random.Random(seed)
    sides = [(drawn(dice, 200, (5, 4, 1)), 0.0), (drawn(dice, 200, weights), drop)]
    names = topics([said(dice, kind) for kinds, _ in sides for kind in kinds])
    assert names is not None
    scores = [[float(dice.random() < RATE[kind] - less) for kind in kinds] for kinds, less in sides]
    before, after = Sample(scores[0], {"r": names[:200]}), Sample(scores[1], {"r": names[200:]})
    effect = effect_of("r", "traffic", before, after)
    return explained(before, after, {}, [effect]).verdict


def test_other_requests_are_known_as_such_and_worse_answers_are_not() -> None:
    others = [verdict(seed, (1, 2, 7), 0.0) for seed in range(20)]
    worse = [verdict(seed, (5, 4, 1), 0.3) for seed in range(20)]
    assert others.count("traffic") >= 18
    assert worse.count("traffic") == 0
