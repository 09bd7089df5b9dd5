"""e-d-BH: one segment needs c, k together c / k each; seldom wrong where nothing moved."""

from __future__ import annotations

import numpy as np

from drift.conformal.randomiser import seed, uniforms
from drift.edbh import moved_together


def test_one_alone_needs_c() -> None:
    assert moved_together([1.0, 999.0, 3.0], 1000) == []
    assert moved_together([1.0, 1000.0, 3.0], 1000) == [1]


def test_together_each_needs_less() -> None:
    assert moved_together([260.0, 1.0, 250.0, 255.0, 251.0], 1000) == [0, 3, 4, 2]
    assert moved_together([260.0, 1.0, 249.0, 255.0, 251.0], 1000) == []
    assert moved_together([1200.0, 1.0, 334.0, 500.0, 0.0], 1000) == [0, 3, 2]


def test_nothing_is_nothing() -> None:
    assert moved_together([], 1000) == []


def test_the_promise_over_exchangeable_streams() -> None:
    """20 segments, 200 observations each: a Shiryaev-Roberts e-detector of uniform p-values with the bet 2(1 - p) averaged with
    2p. At every moment, the share of runs that tell anything is at most N t / c."""
    runs, segments, length, patience = 300, 20, 200, 40_000.0
    told = 0
    for run in range(runs):
        seeds = np.array([seed(f"{run}-{k}") for k in range(segments)], dtype=np.uint64)
        up, down = np.zeros(segments), np.zeros(segments)
        wrong = False
        for t in range(length):
            p = uniforms(seeds, np.full(segments, t, dtype=np.uint64))
            up, down = 2 * p * (up + 1), 2 * (1 - p) * (down + 1)
            wrong = wrong or bool(moved_together((up + down) / 2, patience))
        told += wrong
    assert told / runs <= segments * length / patience + 3 * (0.1 * 0.9 / runs) ** 0.5
