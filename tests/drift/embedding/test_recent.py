"""When a topic moved, how far, and its typical texts."""

from __future__ import annotations

import numpy as np
import pytest

from drift.embedding.clusters import Moved, Place
from drift.embedding.recent import NAMED, REMEMBERED, TYPICAL, Recent

TOPIC = frozenset({3})
USUAL = [np.full(32, 1 / 32), np.full(32, 1 / 32)]


def remembered(clusters: list[int]) -> Recent:
    recent = Recent()
    for n, cluster in enumerate(clusters):
        along = np.array([0.5, n % 10 / 10, 0.9 - n % 10 / 10])
        recent.add(Place((cluster, 0), (cluster % 32, 0), float(n % 7)), along, f"t{n}", 1000.0 + n)
    return recent


def moved(clusters: list[int], more: bool = True, earlier: tuple[int, int] = (100, 1000)) -> Moved:
    """`earlier`: (texts of the topic, all texts) before those that are remembered."""
    return Moved(0, TOPIC, more, clusters.count(3) + earlier[0], len(clusters) + earlier[1])


@pytest.mark.parametrize("seed", range(5))
def test_the_change_is_dated(seed: int) -> None:
    rng = np.random.default_rng(seed)
    clusters = [int(c) for c in np.where(rng.random(500) < np.repeat([0.1, 0.5], [440, 60]), 3, 1)]
    change = remembered(clusters).change(moved(clusters))
    assert abs(change.since - 60) <= 12
    assert change.changed_at == 1500.0 - change.since
    assert change.before == pytest.approx(0.1, abs=0.03)
    assert change.after_interval[0] < 0.5 < change.after_interval[1]


def test_a_fall_is_dated_as_well() -> None:
    clusters = [3 if n % 4 == 0 else 1 for n in range(400)] + [1] * 80
    change = remembered(clusters).change(moved(clusters, more=False, earlier=(250, 1000)))
    assert 78 <= change.since <= 84
    assert change.after < 0.03 and change.before == pytest.approx(0.25, abs=0.01)


def test_nothing_that_fits_is_no_error() -> None:
    change = remembered([1] * 20).change(moved([1] * 20))
    assert 1 <= change.since <= 20


def test_typical_are_those_of_the_topic_since_the_change_nearest_first() -> None:
    clusters = [3] * 100 + [3, 1] * 20
    assert remembered(clusters).typical(moved(clusters), 40, USUAL) == ["t112", "t126", "t106", "t120", "t134"]


def test_typical_of_joined_clusters_are_of_the_one_that_grew_most() -> None:
    clusters = [4, 3, 4, 4, 3, 1] * 10
    both = Moved(0, frozenset({3, 4}), True, 150, 1060)
    usual = np.full(32, 0.01)
    assert {clusters[int(t[1:])] for t in remembered(clusters).typical(both, 60, [usual, usual])} == {4}
    usual[4] = 0.5  # has always been common
    assert {clusters[int(t[1:])] for t in remembered(clusters).typical(both, 60, [usual, usual])} == {3}


def test_farthest_are_those_of_the_topic_since_the_change_that_go_along_most() -> None:
    clusters = [3] * 100 + [3, 1] * 20
    recent = remembered(clusters)
    assert recent.farthest(moved(clusters), 40, 1) == ["t128", "t108", "t138", "t118", "t126"]
    assert recent.farthest(moved(clusters), 40, 2) == ["t120", "t100", "t130", "t110", "t112"]


def test_memory_is_bounded() -> None:
    recent = remembered([1] * (REMEMBERED + 50))
    assert len(recent.places) == len(recent.times) == REMEMBERED
    assert len(recent.traces) == len(recent.along) == NAMED
    assert recent.times[0] == 1050.0
    assert len(recent.typical(Moved(0, frozenset({1}), True, 10, 10), 10_000, USUAL)) == TYPICAL
