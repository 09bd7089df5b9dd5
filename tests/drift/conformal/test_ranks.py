"""Randomised ranks: those of a plain count, uniform and independent whatever the distribution."""

from __future__ import annotations

import numpy as np
import pytest

from drift.conformal import randomiser
from drift.conformal.bets import CELLS
from drift.conformal.grouping import Groups
from drift.conformal.ranks import SHORT, cells, ranked


@pytest.mark.parametrize("segments", [1, 3, 40])
@pytest.mark.parametrize("bins", [2, 64])
def test_ranks_are_those_of_a_plain_count(segments: int, bins: int) -> None:
    rng = np.random.default_rng(segments)
    keys, values = rng.integers(0, segments, 300), rng.integers(0, bins, 300)
    counts = rng.integers(0, 9, (segments, bins)).astype(np.uint16)
    groups = Groups(keys)
    found = ranked(groups, counts[groups.keys], values[groups.order])
    assert groups.lengths.max() > SHORT or segments == 40
    for place, at in enumerate(groups.order.tolist()):
        seen = [*np.repeat(np.arange(bins), counts[keys[at]]), *values[:at][keys[:at] == keys[at]]]
        assert found.before[place] == len(seen)
        assert found.below[place] == sum(v < values[at] for v in seen)
        assert found.same[place] == sum(v == values[at] for v in seen)


def p_values(values: np.ndarray, bins: int, name: str) -> np.ndarray:
    groups = Groups(np.zeros(len(values), dtype=np.int64))
    found = ranked(groups, np.zeros((1, bins), dtype=np.int64), values)
    seeds = np.full(len(values), randomiser.seed(name), dtype=np.uint64)
    return cells(found, randomiser.uniforms(seeds, np.arange(len(values), dtype=np.uint64)))


@pytest.mark.parametrize("law", ["constant", "verdicts", "levels", "skew"])
def test_p_values_are_uniform_and_independent(law: str) -> None:
    rng, n = np.random.default_rng(3), 40_000
    draws = {
        "constant": np.zeros(n, dtype=np.int64),
        "verdicts": (rng.random(n) < 0.92).astype(np.int64),
        "levels": rng.choice(5, n, p=[0.05, 0.1, 0.15, 0.3, 0.4]),
        "skew": np.minimum(rng.geometric(0.1, n), 63),
    }
    found = p_values(draws[law], 64, law)
    tenths = np.bincount(found * 10 // CELLS, minlength=10)
    assert ((tenths - n / 10) ** 2 / (n / 10)).sum() < 33.7, "chi-squared of 9 degrees, 1 in 10,000"
    pairs = np.bincount((found[:-1] * 5 // CELLS) * 5 + found[1:] * 5 // CELLS, minlength=25)
    assert ((pairs - n / 25) ** 2 / (n / 25)).sum() < 64, "neighbours are independent"
    first = p_values(draws[law][:200], 64, law + "again")
    assert np.abs(np.sort(first) / CELLS - np.arange(200) / 200).max() < 0.14, "from the first observation on"


def test_the_randomiser_is_uniform_and_the_same_everywhere() -> None:
    seeds = np.array([randomiser.seed("a"), randomiser.seed("b")], dtype=np.uint64)
    assert randomiser.uniforms(seeds, np.array([0, 7], dtype=np.uint64)).tolist() == GOLDEN
    many = randomiser.uniforms(np.full(100_000, seeds[0]), np.arange(100_000, dtype=np.uint64))
    assert many.min() >= 0 and many.max() < 1
    assert abs(many.mean() - 0.5) < 0.004
    assert abs(np.corrcoef(many[:-1], many[1:])[0, 1]) < 0.015


GOLDEN = [0.22725595922969832, 0.43489202586249565]
