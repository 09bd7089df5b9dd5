"""Do texts move together, wherever to? A Shiryaev-Roberts detector along the direction in which recent texts lie.

Exponentially weighted means of the texts so far, less the reference's mean, are directions. The next text is projected on each, and
its rank among the projections of the reference is a p-value: near 1 if the text goes the way of those before it. For a reference
text the mean of the *others* is taken as the reference's mean (leave one out), or each would draw the direction away from itself.
Each bet is that a share of the texts above a quantile has grown.

The reference is finite and fixed, and so these p-values are uniform only approximately: unlike the bank of clusters this part
has no proof, and its false alarms are measured (docs/concepts/monitoring.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift.embedding.reference import Reference

MEMORY = np.array([30.0, 100.0, 300.0])
"""Of the means, in texts."""
STEP = 4
"""Texts after which the directions follow: projecting the reference costs more than all else."""
BETS = np.array([(0.8, 0.28), (0.8, 0.4), (0.9, 0.16), (0.9, 0.3)])
"""(q, s): as if the share s of the p-values lay above q, instead of 1 - q."""
_KEPT = np.exp(-STEP / MEMORY)
_ABOVE, _BELOW = BETS[:, 1] / (1 - BETS[:, 0]), (1 - BETS[:, 1]) / BETS[:, 0]


class Direction:
    """The detector of one segment; `value` is its average R."""

    def __init__(self, reference: Reference) -> None:
        self._sample = reference.sample.astype(np.float32)
        own = (self._sample * self._sample).sum(axis=1)
        self._left_out = own / max(reference.count - 1, 1)
        p = self._sample.shape[1]
        self.value = 0.0
        self.means: NDArray[Any] = np.zeros((len(MEMORY), p), dtype=np.float32)
        self.gathered: NDArray[Any] = np.zeros(p, dtype=np.float32)
        self.count = np.zeros(1, dtype=np.int64)
        self.r: NDArray[np.float64] = np.zeros((len(MEMORY), len(BETS)))
        self._towards: NDArray[Any] = self.means
        self._normal: NDArray[Any] | None = None

    def update(self, coordinates: NDArray[np.float32]) -> None:
        """Take up a text, by its coordinates along the reference's components, float32[p]."""
        count = int(self.count[0])
        if count >= STEP:
            if self._normal is None:
                self._towards = self.means / (1 - _KEPT ** (count // STEP)).astype(np.float32)[:, None]
                self._normal = np.vecdot(self._towards[:, None], self._sample) + self._left_out
            at = np.vecdot(self._towards, coordinates)[:, None]
            below = np.count_nonzero(self._normal < at, axis=1)
            ties = np.count_nonzero(self._normal == at, axis=1)
            p = (below + 0.5 * ties + 0.5) / (self._normal.shape[1] + 1)
            self.r = (self.r + 1) * np.where(p[:, None] > BETS[:, 0], _ABOVE, _BELOW)
            self.value = float(self.r.mean())
        self.gathered += coordinates
        self.count[0] = count + 1
        if (count + 1) % STEP == 0:
            kept = _KEPT.astype(np.float32)[:, None]
            self.means = kept * self.means + (1 - kept) * (self.gathered / STEP)
            self.gathered = np.zeros_like(self.gathered)
            self._normal = None

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
