"""The last texts, by where they lay: when a cluster moved, how large its share is since, and which traces are typical of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drift.embedding.clusters import Moved, Place
from drift.embedding.direction import MEMORY
from drift.embedding.reference import NOVELTY_BINS

REMEMBERED = 1024
"""Texts whose place and time are remembered; a change is dated at most so far back."""
NAMED = 256
"""Texts whose trace ids are."""
TYPICAL = 5
_Z = 1.96


class Change(NamedTuple):
    """`since` texts ago (of the last `REMEMBERED`), at `changed_at` (Unix s). `after`, with a 95 % interval: the share since;
    `before`: the share until then."""

    since: int
    changed_at: float
    before: float
    after: float
    after_interval: tuple[float, float]


class Recent:
    """A bounded memory of one segment."""

    def __init__(self) -> None:
        self.places = np.zeros((0, 4), dtype=np.uint8)
        self.times = np.zeros(0, dtype=np.float64)
        self.along = np.zeros((0, len(MEMORY)), dtype=np.float16)
        self.traces: deque[tuple[str, float]] = deque(maxlen=NAMED)

    def add(self, place: Place, along: NDArray[np.float64], trace_id: str, at: float) -> None:
        """Remember one text; how far `along` each direction it goes, and `at` in Unix s."""
        row = np.array([[*place.clusters, *place.bins]], dtype=np.uint8)
        self.places = np.concatenate([self.places[-REMEMBERED + 1 :], row])
        self.times = np.append(self.times[-REMEMBERED + 1 :], at)
        self.along = np.concatenate([self.along[-NAMED + 1 :], along[np.newaxis].astype(np.float16)])
        self.traces.append((trace_id, round(place.distance, 4)))

    def change(self, moved: Moved) -> Change:
        """Where the likelihood of one change of the node's share is largest, and the shares on both sides."""
        inside = self._inside(moved)
        n = len(inside)
        since = np.arange(1, n + 1)
        hits = np.cumsum(inside[::-1])
        earlier = max(moved.total - n, 0)
        others = np.maximum(moved.total - since, 1)
        before = (moved.texts - hits + 0.5) / (others + 1)
        after = hits / since
        gain = since * _divergence(after, before)
        right = after > before if moved.more else after < before
        gain[~right] = -np.inf
        best = int(np.argmax(gain)) if right.any() else min(n, max(earlier, 1)) - 1
        count, successes = int(since[best]), int(hits[best])
        return Change(
            count,
            float(self.times[n - count]),
            float(max(moved.texts - successes, 0) / max(moved.total - count, 1)),
            successes / count,
            _wilson(successes, count),
        )

    def typical(self, moved: Moved, since: int, shares: Sequence[NDArray[np.float64]]) -> list[str]:
        """Trace ids of the texts of the node since the change: first those of the clusters that have grown most, and of
        these the nearest to their centre; or, where texts are farther from all clusters, those farthest.

        `shares` of each half's clusters were usual.
        """
        named, inside = self._named(moved, since)
        grown = self._grown(since, shares)[-len(named) :] if moved.clusters else np.zeros(len(named))
        return _first(
            (-growth, distance if moved.clusters else -distance, trace)
            for (trace, distance), growth, here in zip(named, grown.tolist(), inside, strict=True)
            if here
        )

    def farthest(self, moved: Moved, since: int, direction: int) -> list[str]:
        """Trace ids of the texts of the node since the change that went farthest along a direction."""
        named, inside = self._named(moved, since)
        along = self.along[-len(named) :, direction].tolist()
        return _first(
            (-far, distance, trace) for (trace, distance), far, here in zip(named, along, inside, strict=True) if here
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"places": self.places, "times": self.times, "far_along": self.along}

    def restore(self, arrays: Mapping[str, NDArray[Any]], traces: Sequence[Sequence[Any]]) -> None:
        """Go on from there."""
        self.places, self.times, self.along = arrays["places"], arrays["times"], arrays["far_along"]
        self.traces = deque(((str(trace), float(distance)) for trace, distance in traces), maxlen=NAMED)

    def _named(self, moved: Moved, since: int) -> tuple[list[tuple[str, float]], list[bool]]:
        """The texts since the change whose traces are remembered, and which of them are of the node."""
        named = list(self.traces)[-since:]
        return named, self._inside(moved)[-len(named) :].tolist()

    def _grown(self, since: int, shares: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """By how much the shares of the two clusters of each text since then have grown, added up."""
        grown = np.zeros(min(since, len(self.places)))
        for half, usual in enumerate(shares):
            clusters = self.places[-since:, half]
            grown += (np.bincount(clusters, minlength=len(usual)) / len(clusters) - usual)[clusters]
        return grown

    def _inside(self, moved: Moved) -> NDArray[np.bool_]:
        if not moved.clusters:
            far: NDArray[np.bool_] = self.places[:, 2 + moved.half] >= NOVELTY_BINS // 2
            return far
        return np.isin(self.places[:, moved.half], list(moved.clusters))


def _first(ranked: Iterable[tuple[float, float, str]]) -> list[str]:
    return list(dict.fromkeys(trace for _, _, trace in sorted(ranked)))[:TYPICAL]


def _divergence(p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Kullback-Leibler, of Bernoulli(p) from Bernoulli(q), in nats."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found: NDArray[np.float64] = np.where(p > 0, p * np.log(p / q), 0) + np.where(
            p < 1, (1 - p) * np.log((1 - p) / (1 - q)), 0
        )
    return found


def _wilson(successes: int, n: int) -> tuple[float, float]:
    p, z2 = successes / n, _Z * _Z
    centre, half = p + z2 / (2 * n), _Z * float(np.sqrt(p * (1 - p) / n + z2 / (4 * n * n)))
    return max((centre - half) / (1 + z2 / n), 0.0), min((centre + half) / (1 + z2 / n), 1.0)
