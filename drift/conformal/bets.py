"""Bets: functions on [0, 1] with mean 1, each paying where one kind of change would put the p-values.

A p-value is read to 1 part in `CELLS`. A table holds each bet's mean over every cell, so that a p-value that is uniform on
[0, 1] meets a bet whose mean is exactly that of its column, and no column's mean is above 1 (`tests/drift/conformal`
checks it in exact arithmetic).

For pass/fail there is no table: all that a p-value can say is whether the trace passed. The bets are odds ratios, scaled
with the counts so far, the present observation included, such that their mean over a draw from those counts is 1.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CELLS = 1000
ODDS = (1 / 8, 1 / 4, 1 / 2, 1 / 1.5, 1.5, 2.0, 4.0, 8.0)
"""By how much the odds of passing are supposed to have changed. Neighbours lose little: 1.5 finds .92 → .88."""


class Bet(NamedTuple):
    """`says` completes "the values …": what happened if this bet has won."""

    says: str
    density: NDArray[np.float64]


def graded_bets() -> list[Bet]:
    """For p-values of graded scores, low p = low value: location, tails and spread. float64[CELLS] each, mean at most 1."""
    bets = [_tilt(rate) for rate in (-8.0, -4.0, -2.0, -1.0, 1.0, 2.0, 4.0, 8.0)]
    for share, becomes in ((0.2, 0.4), (0.05, 0.12), (0.01, 0.05)):
        bets.append(Bet(f"have more among their highest {share:.0%}", _step(1 - share, 1.0, becomes)))
        bets.append(Bet(f"have more among their lowest {share:.0%}", _step(0.0, share, becomes)))
    p = (np.arange(CELLS) + 0.5) / CELLS
    curve = (3 * (2 * p - 1) ** 2 - 1) / 2  # the second Legendre polynomial: mean 0, from -1/2 to 1
    bets += [Bet("are more spread out", 1 + 1.5 * curve), Bet("are less spread out", 1 - 0.9 * curve)]
    return [Bet(bet.says, _at_most_one(bet.density)) for bet in bets]


def graded_table() -> NDArray[np.float32]:
    """The bets as columns, float32[CELLS, bets]: a p-value picks a row."""
    rounded = np.stack([bet.density for bet in graded_bets()], axis=1).astype(np.float32)
    for column in rounded.T:
        while math.fsum(column.tolist()) > CELLS:  # rounding to float32 may add up to more than it took
            column[:] = np.nextafter(column, np.float32(0))
    return np.ascontiguousarray(rounded)


def _tilt(rate: float) -> Bet:
    """exp(rate · p), scaled; the mean over each cell."""
    edges = np.exp(rate * np.arange(CELLS + 1) / CELLS)
    return Bet("moved up" if rate > 0 else "moved down", np.diff(edges) * CELLS / (math.exp(rate) - 1))


def _step(low: float, high: float, becomes: float) -> NDArray[np.float64]:
    """As if the share `becomes` of the p-values fell between low and high."""
    share, density = high - low, np.empty(CELLS)
    inside = slice(round(low * CELLS), round(high * CELLS))
    density[:] = (1 - becomes) / (1 - share)
    density[inside] = becomes / share
    return density


def _at_most_one(density: NDArray[np.float64]) -> NDArray[np.float64]:
    return density * min(1.0, CELLS / math.fsum(density.tolist()))
