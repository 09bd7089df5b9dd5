"""Two kinds of segments, pass/fail and graded: what is kept of each, and what its bets pay for a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift.conformal import randomiser, ranks, scale
from drift.conformal.bets import ODDS, graded_bets, graded_table
from drift.conformal.grouping import Groups, Rounds, inverse

OUTSIDE_MIN, OUTSIDE_MOST, OUTSIDE_SHARE = 32, 255, 20
"""A scale is outgrown when at least 32 observations of an epoch, and one in 20, lie beyond its ends."""
_FIELDS: list[Any] = [
    ("seed", np.uint64),
    ("seen", np.uint32),  # observations ever, modulo 2^32: the randomiser's counter
    ("n", np.uint32),  # observations since the epoch began, and their sum
    ("s", np.uint32),
    ("due", np.uint32),  # n at which the latest change is to be measured again
]


@dataclass(frozen=True, slots=True)
class Batch:
    """Observations in the groups' sorted order; `histograms` sorts those once more, by segment and calendar cell."""

    groups: Groups
    rounds: Rounds
    histograms: Groups
    bins: NDArray[np.int64]

    def by_rounds(self, values: NDArray[Any]) -> NDArray[Any]:
        """From the order of the histograms to that of the rounds."""
        return values[inverse(self.histograms.order)[self.rounds.order]]


class PassFail:
    """Verdicts, as 0 and 1. All that their ranks can say is said by the verdict itself: no randomiser."""

    bins = 2
    counts_type = np.uint32
    says = tuple("passes less often" if odds < 1 else "passes more often" for odds in ODDS)

    def __init__(self) -> None:
        self._odds = np.array(ODDS)

    def places(
        self, heads: NDArray[np.void], of: NDArray[np.int64], value: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        return value.astype(np.int64), np.zeros(len(value), dtype=np.bool_)

    def bin(self, heads: NDArray[np.void], of: NDArray[np.int64], fine: NDArray[np.int64]) -> NDArray[np.int64]:
        return fine

    def pay(self, batch: Batch, counts: NDArray[Any], heads: NDArray[np.void]) -> NDArray[np.float32]:
        """odds^y over its mean among all verdicts so far, this one included: 1 on average, whatever their counts.

        Parameters
        ----------
        counts : of each of `batch.histograms` before the batch. int[h, 2]
        """
        histograms = batch.histograms
        passed = batch.bins[histograms.order]
        ones = histograms.sums(passed) + counts[histograms.of, 1]
        total = histograms.rank + 1 + counts.sum(axis=1)[histograms.of]
        paid = np.where(passed[:, None] == 1, self._odds, 1.0) * total[:, None]
        paid /= (total - ones)[:, None] + self._odds * ones[:, None]
        return batch.by_rounds(paid.astype(np.float32))

    def outgrown(
        self, heads: NDArray[np.void], groups: Groups, outside: NDArray[np.bool_], t: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], None]:
        return outside, None

    def grow(self, heads: NDArray[np.void], row: int, counts: NDArray[np.int64], value: float) -> None:
        raise AssertionError("verdicts have no scale")

    def forget(self, heads: NDArray[np.void], row: int) -> None:
        return None

    def variance(self, head: np.void, counts: NDArray[np.int64]) -> None:
        return None

    def level(self, head: np.void, mean: float) -> float:
        return mean


class Graded:
    """Numbers, placed on their segment's scale."""

    bins = scale.BINS
    counts_type = np.uint16
    says = tuple(bet.says for bet in graded_bets())

    def __init__(self) -> None:
        self._table = graded_table()
        self._bins = scale.bins()
        counts = np.stack([np.bincount(row, minlength=scale.BINS) for row in self._bins])
        sums = np.stack([np.bincount(row, np.arange(scale.FINE + 1), scale.BINS) for row in self._bins])
        self._middles = sums / np.maximum(counts, 1)

    def places(
        self, heads: NDArray[np.void], of: NDArray[np.int64], value: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Thousandths of the scale, and whether beyond its ends."""
        return scale.places(heads["shape"][of], heads["centre"][of], heads["spread"][of], value)

    def bin(self, heads: NDArray[np.void], of: NDArray[np.int64], fine: NDArray[np.int64]) -> NDArray[np.int64]:
        bins: NDArray[np.int64] = self._bins[np.minimum(heads["shape"], 1)[of], fine]
        return bins

    def pay(self, batch: Batch, counts: NDArray[Any], heads: NDArray[np.void]) -> NDArray[np.float32]:
        """What the table of bets says of each observation's randomised rank.

        Parameters
        ----------
        counts : of each of `batch.histograms` before the batch. int[h, 64]
        """
        histograms, order = batch.histograms, batch.histograms.order
        ranked = ranks.ranked(histograms, counts, batch.bins[order])
        of = batch.groups.of[order]
        ordinal = heads["seen"].astype(np.uint64)[of] + batch.groups.rank[order].astype(np.uint64)
        cells = ranks.cells(ranked, randomiser.uniforms(heads["seed"][of], ordinal))
        paid: NDArray[np.float32] = self._table[batch.by_rounds(cells)]
        return paid

    def outgrown(
        self, heads: NDArray[np.void], groups: Groups, outside: NDArray[np.bool_], t: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64] | None]:
        """Where a scale has become too small, and how many lay outside so far (None: none more)."""
        if not outside.any():
            return outside, None
        count = heads["outside"].astype(np.int64)[groups.of] + groups.sums(outside.astype(np.int64))
        return outside & (count >= OUTSIDE_MIN) & (count <= OUTSIDE_MOST) & (count * OUTSIDE_SHARE > t), count

    def grow(self, heads: NDArray[np.void], row: int, counts: NDArray[np.int64], value: float) -> None:
        """A scale about what was counted, and `value`, which lay outside."""
        reached = np.cumsum(counts) * 4 // max(int(counts.sum()), 1)
        middles = self._middles[min(int(heads["shape"][row]), 1)]
        quartiles = [float(middles[np.argmax(reached >= q)]) for q in (1, 2, 3)]
        self.set_scale(heads, row, scale.outgrown(self.scale(heads[row]), quartiles, value))

    def set_scale(self, heads: NDArray[np.void], row: int, chosen: scale.Scale) -> None:
        heads["shape"][row], heads["centre"][row], heads["spread"][row] = chosen

    def scale(self, head: np.void) -> scale.Scale:
        return scale.Scale(int(head["shape"]), float(head["centre"]), float(head["spread"]))

    def forget(self, heads: NDArray[np.void], row: int) -> None:
        heads["outside"][row] = 0

    def variance(self, head: np.void, counts: NDArray[np.int64]) -> float:
        """Of the places of what was counted, in thousandths squared."""
        middles = self._middles[min(int(head["shape"]), 1)]
        total = max(int(counts.sum()), 1)
        mean = float((counts * middles).sum()) / total
        return float((counts * (middles - mean) ** 2).sum()) / total

    def level(self, head: np.void, mean: float) -> float:
        """The value at a place; intervals end where the scale does."""
        return self.scale(head).value(min(max(mean, 0.0), float(scale.FINE)))


Kind = PassFail | Graded


def head_type(kind: Kind) -> np.dtype[np.void]:
    """What is kept of a segment beside R, histograms and hulls."""
    scale_of = [("centre", np.float32), ("spread", np.float32), ("shape", np.uint8), ("outside", np.uint8)]
    return np.dtype([*_FIELDS, *scale_of] if isinstance(kind, Graded) else _FIELDS)
