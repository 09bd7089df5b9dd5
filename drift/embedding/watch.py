"""Everything that runs on a fitted reference, as one detector of one stream of vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift.embedding import arrays
from drift.embedding.clusters import ClusterBank, Moved, Place
from drift.embedding.direction import Direction
from drift.embedding.recent import TYPICAL, Change, Recent
from drift.embedding.reference import Centres, Reference

DIRECTION = 2 / 3
"""Its weight: it is ahead of the bank where changes are hardest to find."""


class Watch:
    """The bank of clusters and the directional detector, on a reference as it was encoded.

    Attributes
    ----------
    digest : of those bytes; equal ones watch equally.
    """

    __slots__ = ("_centres", "_origin", "bank", "digest", "direction", "recent", "reference")

    def __init__(self, stored: bytes) -> None:
        self.digest = arrays.digest(stored)
        self.reference = reference = Reference.decode(stored)
        self.bank, self.direction, self.recent = ClusterBank(reference), Direction(reference), Recent()
        self._centres = tuple(Centres(half.centres) for half in reference.halves)
        self._origin = np.vecdot(reference.components, reference.mean)

    @property
    def value(self) -> float:
        """The statistic: a mean of the two."""
        return (1 - DIRECTION) * self.bank.value + DIRECTION * self.direction.value

    def update(self, vector: NDArray[np.float16], trace_id: str, at: float) -> float:
        """Take up a text, float16[d], seen at Unix time `at`; the statistic after it."""
        x = vector.astype(np.float32)
        (first, near), (second, far) = (centres.nearest(x) for centres in self._centres)
        bins = [int(h.edges.searchsorted(d)) for h, d in zip(self.reference.halves, (near, far), strict=True)]
        place = Place((first, second), (bins[0], bins[1]), float(min(near, far)))
        self.bank.update(place)
        along = self.direction.update(np.vecdot(self.reference.components, x) - self._origin, place.clusters)
        self.recent.add(place, along, trace_id, at)
        return self.value

    def forget(self) -> None:
        """Begin the detectors anew, on the same reference and counts."""
        self.bank.forget()
        self.direction.forget()

    def moved(self) -> tuple[Moved, Change, list[str]]:
        """What moved, when and how far, and traces that are typical of it: of a topic that became rarer, of the reference.

        What the direction found before the bank did is something that grew, and the texts that go farthest along are typical of it.
        """
        led = self.direction.value > self.bank.value
        moved = self.bank.grown() if led else self.bank.moved()
        change = self.recent.change(moved)
        if led:
            return moved, change, self.recent.farthest(moved, change.since, self.direction.strongest)
        if moved.more:
            return moved, change, self.recent.typical(moved, change.since, self.bank.shares)
        by_cluster = self.reference.typical[moved.half]
        return moved, change, [ids[0] for c in sorted(moved.clusters) if (ids := by_cluster[c])][:TYPICAL]

    def encode(self) -> tuple[Any, dict[str, NDArray[Any]]]:
        """Head and arrays of all that is not the reference."""
        held = self.bank.arrays() | self.direction.arrays() | self.recent.arrays()
        return [self.digest, list(self.recent.traces)], held

    @classmethod
    def decode(cls, stored: bytes, head: Sequence[Any], held: Mapping[str, NDArray[Any]]) -> Watch:
        """
        Raises
        ------
        ValueError : it was encoded on another reference than `stored`.
        """
        digest, traces = head
        if arrays.digest(stored) != digest:
            raise ValueError("the reference is another one")
        watch = cls(stored)
        watch.bank.restore(held)
        watch.direction.restore(held)
        watch.recent.restore(held, traces)
        return watch
