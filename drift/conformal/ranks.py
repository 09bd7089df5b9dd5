"""The randomised rank of each observation among those before it, from histograms.

(Those below + U · (those in its bin, itself included)) / (those before it + 1) is uniform on [0, 1], and independent of the
ranks before it, if the observations are exchangeable, whatever their distribution: Vovk, Gammerman, Shafer: Algorithmic
Learning in a Random World (2005), ch. 2. The histogram grows with every observation: a frozen one would not keep this.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drift.conformal.bets import CELLS
from drift.conformal.grouping import Groups

SHORT = 32


class Ranks(NamedTuple):
    """How many of a histogram came before each observation, below it, and in its bin. int[n] each, in sorted order."""

    before: NDArray[np.int64]
    below: NDArray[np.int64]
    same: NDArray[np.int64]


def ranked(groups: Groups, counts: NDArray[Any], bins: NDArray[np.int64]) -> Ranks:
    """Rank observations among those before them, of the batch and of earlier ones.

    Parameters
    ----------
    counts : histogram of each group before the batch. int[g, B]
    bins : int[n], in sorted order, 0 to B - 1.
    """
    upto = counts.cumsum(axis=1, dtype=np.int32 if counts.dtype == np.uint16 else np.int64)
    before = upto[groups.of, -1] + groups.rank
    same = counts[groups.of, bins].astype(np.int64)
    below = upto[groups.of, bins] - same
    _add_short(groups, bins, below, same)
    _add_long(groups, bins, below, same, counts.shape[1])
    return Ranks(before, below, same)


def _add_short(groups: Groups, bins: NDArray[np.int64], below: NDArray[np.int64], same: NDArray[np.int64]) -> None:
    """What came before in the batch itself, of groups of at most `SHORT`: compared one by one."""
    at = np.flatnonzero((groups.rank > 0) & (groups.lengths <= SHORT)[groups.of])
    back = 1
    while len(at):
        earlier, own = bins[at - back], bins[at]
        below[at] += earlier < own
        same[at] += earlier == own
        back += 1
        at = at[groups.rank[at] >= back]


def _add_long(
    groups: Groups, bins: NDArray[np.int64], below: NDArray[np.int64], same: NDArray[np.int64], count: int
) -> None:
    """The same of longer groups: how many, up to each row, lie below each bin, less those up to the group's start."""
    at = np.flatnonzero((groups.lengths > SHORT)[groups.of])
    if not len(at):
        return
    own, rows = bins[at], np.arange(len(at))
    running = (own < np.arange(count + 1)[:, None]).cumsum(axis=1, dtype=np.int32)
    start = rows - groups.rank[at]
    lower = running[own, rows] - running[own, start] + (own[start] < own)
    with_own = running[own + 1, rows] - running[own + 1, start] + (own[start] <= own)
    below[at] += lower
    same[at] += with_own - lower - 1


def cells(ranks: Ranks, u: NDArray[np.float64]) -> NDArray[np.int64]:
    """The p-value of each observation, as a place in the table of bets."""
    p = (ranks.below + u * (ranks.same + 1)) / (ranks.before + 1)
    return np.minimum((p * CELLS).astype(np.int64), CELLS - 1)
