"""The bank of clusters: its promise, checked over all orders of small samples, and what it says has moved."""

from __future__ import annotations

from itertools import permutations
from typing import NamedTuple

import numpy as np
import pytest

from drift.embedding.clusters import ClusterBank, Place
from drift.embedding.reference import NOVELTY_BINS, Half, Reference

CLUSTERS = 4
JOINED = np.array([[0, 1], [2, 3]], dtype=np.int16)


class Text(NamedTuple):
    clusters: tuple[int, int]
    bins: tuple[int, int]


def reference(counted: list[Text]) -> Reference:
    """Of four clusters, two and two of which are joined; `counted` are the texts of each half that are not clustered."""
    halves = []
    for place in (0, 1):
        halves.append(
            Half(
                centres=np.zeros((CLUSTERS, 2), dtype=np.float16),
                joined=JOINED,
                sizes=np.array([5, 1, 3, 7]),
                counts=np.bincount([t.clusters[place] for t in counted], minlength=CLUSTERS),
                edges=np.zeros(NOVELTY_BINS - 1, dtype=np.float32),
                novelty=np.bincount([t.bins[place] for t in counted], minlength=NOVELTY_BINS),
            )
        )
    nothing = np.zeros((1, 2))
    return Reference(
        8,
        nothing[0].astype(np.float32),
        nothing.astype(np.float32),
        nothing.astype(np.float16),
        np.zeros((1, 2), dtype=np.uint8),
        np.ones(2, dtype=np.float32),
        (halves[0], halves[1]),
        (),
    )


def after(texts: list[Text], counted: int) -> ClusterBank:
    bank = ClusterBank(reference(texts[:counted]))
    for text in texts[counted:]:
        bank.update(Place(text.clusters, text.bins, 0.0))
    return bank


def of(clusters: list[int], rng: np.random.Generator) -> list[Text]:
    """Texts of these clusters of either half, at distances of chance."""
    bins = rng.integers(0, 32, len(clusters))
    return [Text((int(c), int(c)), (int(b), int(b))) for c, b in zip(clusters, bins, strict=True)]


@pytest.mark.parametrize("counted", [1, 3])
def test_over_all_orders_the_mean_of_r_is_the_number_of_texts(counted: int) -> None:
    bag = [
        Text((0, 1), (0, 3)),
        Text((0, 0), (31, 31)),
        Text((0, 2), (5, 9)),
        Text((1, 3), (5, 0)),
        Text((3, 3), (31, 14)),
        Text((2, 0), (12, 20)),
    ]
    values = [after(list(order), counted).value for order in permutations(bag)]
    assert np.mean(values) == pytest.approx(len(bag) - counted, rel=1e-5)
    assert np.std(values) > 0.1, "single orders differ"


def test_a_node_that_grows_is_named() -> None:
    rng = np.random.default_rng(0)
    even = [
        Text((int(c), int(c)), (int(b), int(b)))
        for c, b in zip(rng.integers(0, 4, 400), rng.integers(0, 32, 400), strict=True)
    ]
    bank = after([*even, *(Text((2, 2), (int(b), int(b))) for b in rng.integers(0, 32, 60))], 200)
    moved = bank.moved()
    assert (moved.clusters, moved.more) == (frozenset({2}), True)
    assert moved.total == 460


def test_two_clusters_that_grow_are_named_as_the_node_that_joins_them() -> None:
    rng = np.random.default_rng(1)
    draws = [*rng.integers(0, 4, 800), *rng.choice(4, 200, p=[0.1, 0.1, 0.4, 0.4])]
    bank = after(of(draws, rng), 400)
    assert bank.moved().clusters in (frozenset({2, 3}), frozenset({0, 1}))


def test_of_one_that_grows_and_the_others_that_fall_the_one_is_named() -> None:
    rng = np.random.default_rng(3)
    draws = [*rng.choice(4, 800, p=[0.1, 0.3, 0.3, 0.3]), *rng.choice(4, 150, p=[0.3, 0.2333, 0.2333, 0.2334])]
    bank = after(of(draws, rng), 400)
    moved = bank.moved()
    assert (moved.clusters, moved.more) == (frozenset({0}), True)


def test_a_topic_that_goes_is_named_although_all_others_grow() -> None:
    rng = np.random.default_rng(4)
    draws = [*rng.integers(0, 4, 800), *rng.integers(0, 3, 100)]
    bank = after(of(draws, rng), 400)
    moved = bank.moved()
    assert (moved.clusters, moved.more) == (frozenset({3}), False)


def test_what_grew_is_named_when_that_is_what_is_asked() -> None:
    rng = np.random.default_rng(5)
    draws = [*rng.integers(0, 4, 800), *rng.choice(4, 100, p=[0, 0.5, 0.25, 0.25])]
    bank = after(of(draws, rng), 400)
    assert (bank.moved().clusters, bank.moved().more) == (frozenset({0}), False)
    assert (bank.grown().clusters, bank.grown().more) == (frozenset({1}), True)


def test_what_grew_together_is_named_together() -> None:
    rng = np.random.default_rng(6)
    draws = [*rng.integers(0, 4, 800), *rng.choice(4, 60, p=[0.4, 0.4, 0.1, 0.1])]
    bank = after(of(draws, rng), 400)
    assert bank.grown().clusters == frozenset({0, 1})


def test_shares_are_those_of_all_texts_counted() -> None:
    bank = after([Text((0, 1), (0, 0)), Text((2, 1), (0, 0)), Text((2, 3), (0, 0)), Text((2, 1), (0, 0))], 2)
    assert [share.tolist() for share in bank.shares] == [[0.25, 0, 0.75, 0], [0, 0.75, 0, 0.25]]


def test_texts_far_from_everything_are_told_apart_from_topics() -> None:
    rng = np.random.default_rng(2)
    bins = [*rng.integers(0, 32, 400), *rng.integers(24, 32, 80)]
    bank = after(
        [Text((int(c), int(c)), (int(b), int(b))) for c, b in zip(rng.integers(0, 4, 480), bins, strict=True)], 200
    )
    moved = bank.moved()
    assert (moved.clusters, moved.more) == (frozenset(), True)
