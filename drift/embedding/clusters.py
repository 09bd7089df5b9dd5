"""Does a cluster of texts become more or less common? A Shiryaev-Roberts e-detector for each node of the reference's trees.

For a node and a factor θ, a text pays θ if it belongs to the node and else 1, divided by the mean of that over all texts counted
so far, this one included. If texts are exchangeable, whatever their distribution, this is 1 on average given which texts were
counted up to here, for then each of them is as likely to be the last. With R <- payment · (R + 1), the mean of R is the
number of texts since the detector began, exactly; so is that of any average of such R, and by Markov's inequality
P(R >= c after t texts) <= t / c. (Shin, Ramdas, Rinaldo: E-detectors, 2022; exchangeability: Vovk et al., Conformal test martingales.)

The average goes over the nodes of both halves, those of larger share weighing more because there are fewer of them, and over the
factors. A quarter of it asks in the same manner whether texts are farther from every centre than they used to be: topics
that no cluster knows. There a text in the b-th of 32 bins of distance pays exp(rate · b / 32).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drift.embedding.reference import NOVELTY_BINS, Half, Reference

FACTORS = np.array([1 / 4, 1 / 2, 2, 4, 8], dtype=np.float32)
RATES = np.array([-2, -1, -0.5, 0.5, 1, 2, 4], dtype=np.float32)
NOVELTY_WEIGHT = 0.25
WIDE = 3
"""Power of the nodes' weights, which rise with the root of their share, when one is chosen by name."""


class Place(NamedTuple):
    """Where a text lies in each half: its cluster, the bin of its distance to it, and the squared distance."""

    clusters: tuple[int, int]
    bins: tuple[int, int]
    distance: float


class Moved(NamedTuple):
    """The node that explains most of the average: of `half`, joining `clusters`; without any, the distance to all of
    them. `more`: it became more common. `texts` of `total` texts were of it so far."""

    half: int
    clusters: frozenset[int]
    more: bool
    texts: int
    total: int


class ClusterBank:
    """The detectors of one segment; `value` is their average R."""

    def __init__(self, reference: Reference) -> None:
        self._halves = reference.halves
        members = [half.members for half in reference.halves]
        self._first = (0, len(members[0]))
        nodes = len(members[0]) + len(members[1])
        self._paths = [
            [np.flatnonzero(column) + first for column in member.T]
            for member, first in zip(members, self._first, strict=True)
        ]
        self._members = members
        self._weights = np.concatenate([_weights(h, m) for h, m in zip(reference.halves, members, strict=True)])
        self.value = 0.0
        self.counts = np.concatenate([m @ h.counts for h, m in zip(reference.halves, members, strict=True)])
        self.totals = np.array([half.counts.sum() for half in reference.halves], dtype=np.int64)
        self._total_of = np.repeat([0, 1], [len(m) for m in members])
        self.novelty = np.stack([half.novelty for half in reference.halves])
        self.r = np.zeros((nodes, len(FACTORS)), dtype=np.float32)
        self.far = np.zeros((2, len(RATES)), dtype=np.float32)
        self._pays_far = np.exp(np.arange(NOVELTY_BINS, dtype=np.float32)[:, None] * RATES / NOVELTY_BINS)

    def update(self, place: Place) -> None:
        """Take up a text."""
        self.totals += 1
        inside = [self._paths[half][cluster] for half, cluster in enumerate(place.clusters)]
        path = np.concatenate(inside)
        self.counts[path] += 1
        share = (self.counts / self.totals[self._total_of]).astype(np.float32)
        pay = 1 / (1 + share[:, None] * (FACTORS - 1))
        pay[path] *= FACTORS
        self.r = (self.r + 1) * pay
        for half, where in enumerate(place.bins):
            self.novelty[half, where] += 1
        mean = (self.novelty @ self._pays_far) / self.totals[:, None]
        self.far = ((self.far + 1) * self._pays_far[list(place.bins)] / mean).astype(np.float32)
        nodes = float((self._weights @ self.r.astype(np.float64)).mean())
        self.value = (1 - NOVELTY_WEIGHT) * nodes + NOVELTY_WEIGHT * float(self.far.mean(dtype=np.float64))

    @property
    def shares(self) -> list[NDArray[np.float64]]:
        """Of each half's clusters, among all texts counted so far."""
        sizes = [len(half.centres) for half in self._halves]
        return [
            self.counts[first : first + k] / total
            for first, k, total in zip(self._first, sizes, self.totals, strict=True)
        ]

    def moved(self) -> Moved:
        """What explains most of the average: a node, or the distance to every centre."""
        won = self._weights[:, None] * self.r * ((1 - NOVELTY_WEIGHT) / len(FACTORS))
        far = self.far * (NOVELTY_WEIGHT / self.far.size)
        if far.max() <= won.max():
            return self._node(won)
        half, rate = divmod(int(far.argmax()), len(RATES))
        upper = int(self.novelty[half, NOVELTY_BINS // 2 :].sum())
        return Moved(half, frozenset(), bool(RATES[rate] > 0), upper, int(self.totals[half]))

    def grown(self) -> Moved:
        """The node that became more common, where texts of several kinds were seen to move together: `WIDE` favours those that join
        kinds, for each kind alone has little evidence, and the luckiest of many most of it."""
        return self._node(self._weights[:, None] ** WIDE * self.r * (FACTORS > 1))

    def _node(self, won: NDArray[Any]) -> Moved:
        node, factor = divmod(int(won.argmax()), len(FACTORS))
        half = int(self._total_of[node])
        clusters = np.flatnonzero(self._members[half][node - self._first[half]]).tolist()
        return Moved(
            half, frozenset(clusters), bool(FACTORS[factor] > 1), int(self.counts[node]), int(self.totals[half])
        )

    def forget(self) -> None:
        """Begin anew, with the counts so far."""
        self.r, self.far, self.value = np.zeros_like(self.r), np.zeros_like(self.far), 0.0

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What `restore` takes."""
        return {"r": self.r, "far": self.far, "counts": self.counts, "totals": self.totals, "novelty": self.novelty}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from there."""
        for name in ("r", "far", "counts", "totals", "novelty"):
            setattr(self, name, arrays[name])


def _weights(half: Half, members: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of one half's nodes; those of both halves sum to 1."""
    share = (members @ half.sizes + 1) / (half.sizes.sum() + 1)
    root = np.sqrt(share)
    weights: NDArray[np.float64] = root / (2 * root.sum())
    return weights
