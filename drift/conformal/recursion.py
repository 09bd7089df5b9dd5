"""The Shiryaev-Roberts recursion: R ← f (R + 1) for every bet, alarm when the mean over the bets reaches the patience.

R sums, over every moment at which a change may have begun, what would have been won by betting from there on. While nothing
changes its mean is the number of observations, so that the mean number of observations to an alarm is at least the
patience (Shin, Ramdas, Rinaldo: E-detectors, New England J. Statistics in Data Science 2, 2024).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drift.conformal.grouping import Rounds


def run(
    rounds: Rounds, before: NDArray[np.float32], bets: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """R after each observation, and its mean over the bets.

    Parameters
    ----------
    before : R of each group, in the order of `rounds.groups`. float32[g, bets]
    bets : what each bet pays, in the order of `rounds.order`. float32[n, bets], bets a power of two; is overwritten.

    Returns
    -------
    R : float32[n, bets], in the order of `rounds.order`; it is the same array as `bets`.
    mean : float32[n]
    """
    one, start, last = np.float32(1), 0, before
    with np.errstate(over="ignore"):  # beyond an alarm, where nobody looks
        for size in rounds.sizes:
            now = bets[start : start + size]
            np.multiply(now, last[:size] + one, out=now)
            start, last = start + size, now
        return bets, mean(bets)


def mean(r: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean over the bets, added in one fixed order: numpy's own depends on the shape of the batch in its last bits."""
    width = r.shape[1]
    total = r
    while total.shape[1] > 1:
        half = total.shape[1] // 2
        total = total[:, :half] + total[:, half:]
    return total[:, 0] * np.float32(1 / width)
