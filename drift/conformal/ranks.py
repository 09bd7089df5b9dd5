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
    upto = counts.cumsum(axis=1, dtype=np.uint32 if counts.dtype == np.uint16 else np.int64)
    same = counts[groups.of, bins].astype(np.int64)
    below = upto[groups.of, bins].astype(np.int64) - same
    before = upto[groups.of, -1].astype(np.int64) + groups.rank
    later = np.flatnonzero((groups.lengths > 1)[groups.of])
    if len(later):
        # of the batch itself: how many, up to each row, lie below each bin, less those up to its group's start
        own = bins[later]
        running = (own < np.arange(counts.shape[1] + 1)[:, None]).cumsum(axis=1, dtype=np.int32)
        rows = np.arange(len(later))
        start = rows - groups.rank[later]
        earlier = running[own, rows] - running[own, start] + (own[start] < own)
        with_own = running[own + 1, rows] - running[own + 1, start] + (own[start] <= own)
        below[later] += earlier
        same[later] += with_own - earlier - 1
    return Ranks(before, below, same)


def cells(ranks: Ranks, u: NDArray[np.float64]) -> NDArray[np.int64]:
    """The p-value of each observation, as a place in the table of bets."""
    p = (ranks.below + u * (ranks.same + 1)) / (ranks.before + 1)
    return np.minimum((p * CELLS).astype(np.int64), CELLS - 1)
