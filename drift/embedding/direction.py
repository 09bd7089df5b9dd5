"""Do texts move together, wherever to? A Shiryaev-Roberts detector along the direction in which recent texts lie.

A text is described by its coordinates along the reference's components and by the clusters it belongs to, in both halves.
Exponentially weighted means of the texts so far, less the reference's mean, are directions. The next text is projected on each, and
its rank among the projections of the reference is a p-value: near 1 if the text goes the way of those before it. For a reference
text the mean of the *others* is taken as the reference's mean (leave one out), or each would draw the direction away from itself.
Coordinates alone are blunt, for kinds of text that move together need not lie together; clusters alone are scattered.

Each bet is that a share of the texts now comes from where p is the largest of some uniform numbers.

The reference is finite and fixed, and so these p-values are uniform only approximately: unlike the bank of clusters this part
has no proof, and its false alarms are measured (docs/concepts/embedding-drift.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift.embedding.reference import Reference

MEMORY = np.array([30.0, 100.0, 300.0])
"""Of the means, in texts."""
STEP = 2
"""Texts after which the directions follow: projecting the reference costs more than all else."""
BETS = np.array([(share, largest) for largest in (5.0, 10.0, 20.0) for share in (0.1, 0.2, 0.4)])
"""(s, a): as if the share s of the p-values had the density a p^(a-1), of the largest of a uniform numbers."""
_KEPT = np.exp(-STEP / MEMORY)


class Direction:
    """The detector of one segment; `value` is its average R."""

    def __init__(self, reference: Reference) -> None:
        along, self._belongs = reference.scales
        self._along, self._sample = along, reference.sample.astype(np.float32) * along
        self._p = p = self._sample.shape[1]
        first, _ = reference.halves
        self._first = (p, p + len(first.centres))
        self._places = reference.places + np.array(self._first)
        shares = np.concatenate([half.sizes + half.counts for half in reference.halves]) / reference.count
        self._mean = np.concatenate([np.zeros(p), self._belongs * shares]).astype(np.float32)
        own = (self._sample * self._sample).sum(axis=1)
        own += self._belongs * (self._belongs - self._mean[self._places]).sum(axis=1)
        self._left_out = own / max(reference.count - 1, 1)
        self.value = 0.0
        self.means: NDArray[Any] = np.zeros((len(MEMORY), len(self._mean)), dtype=np.float32)
        self.gathered: NDArray[Any] = np.zeros_like(self._mean)
        self.count = np.zeros(1, dtype=np.int64)
        self.r: NDArray[np.float64] = np.zeros((len(MEMORY), len(BETS)))
        self._towards: NDArray[Any] = self.means
        self._normal: NDArray[Any] | None = None

    def update(self, coordinates: NDArray[np.float32], clusters: tuple[int, int]) -> NDArray[np.float64]:
        """Take up a text, by its coordinates along the reference's components, float32[p], and its clusters in the halves.

        Returns
        -------
        How far it goes along each direction, 0 to 1; 1/2 while there is none.
        """
        text = np.zeros_like(self._mean)
        text[: self._p] = self._along * coordinates
        text[[first + cluster for first, cluster in zip(self._first, clusters, strict=True)]] = self._belongs
        count, p = int(self.count[0]), np.full((len(MEMORY), 1), 0.5)
        if count >= STEP:
            if self._normal is None:
                self._turn(count // STEP)
            assert self._normal is not None
            at = np.vecdot(self._towards, text)[:, None]
            below = np.count_nonzero(self._normal < at, axis=1)
            ties = np.count_nonzero(self._normal == at, axis=1)
            p = ((below + 0.5 * ties + 0.5) / (self._normal.shape[1] + 1))[:, None]
            share, largest = BETS.T
            self.r = (self.r + 1) * (1 - share + share * largest * p ** (largest - 1))
            self.value = float(self.r.mean())
        self.gathered += text
        self.count[0] = count + 1
        if (count + 1) % STEP == 0:
            kept = _KEPT.astype(np.float32)[:, None]
            self.means = kept * self.means + (1 - kept) * (self.gathered / STEP)
            self.gathered = np.zeros_like(self.gathered)
            self._normal = None
        return p[:, 0]

    @property
    def strongest(self) -> int:
        """The memory along whose direction most was won."""
        return int(self.r.mean(axis=1).argmax())

    def forget(self) -> None:
        """Begin anew, going on in the same directions."""
        self.r, self.value = np.zeros_like(self.r), 0.0

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What `restore` takes."""
        return {"means": self.means, "gathered": self.gathered, "seen": self.count, "along": self.r}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from there."""
        self.means, self.gathered = arrays["means"], arrays["gathered"]
        self.count, self.r = arrays["seen"], arrays["along"]

    def _turn(self, steps: int) -> None:
        """The directions after so many steps, and the reference's projections on them."""
        self._towards = self.means / (1 - _KEPT**steps).astype(np.float32)[:, None] - self._mean
        along = np.vecdot(self._towards[:, None, : self._p], self._sample)
        self._normal = along + self._belongs * self._towards[:, self._places].sum(axis=2) + self._left_out
