"""What is normal: clusters of the first texts, nested, and the directions in which they vary.

The reference is divided by lot (always the same) into two halves. Each half is clustered (k-means), and the clusters are joined
two by two (Ward) into a tree, so that a topic is met at the scale at which it moves: one intent, or a whole domain of them.
The *other* half then says how common each is: texts that the clusters were not fitted to, or the share of rare clusters would
come out too large. So both halves serve for both, and given the clusters all texts that are counted are exchangeable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drift.embedding.arrays import packed, unpacked
from drift.spread import evenly

COMPONENTS = 128
SAMPLE = 2048
"""Vectors of the reference that are kept, as coordinates along the components, to rank new ones among."""
TEXTS_A_CLUSTER = 15
LEAST_CLUSTERS = 2
TYPICAL = 2
"""Trace ids that are kept of each cluster."""
NOVELTY_BINS = 32
MAX_ITERATIONS = 50
SEED = 0


@dataclass(frozen=True, slots=True)
class Half:
    """Clusters of one half of the reference, counted in the other.

    Attributes
    ----------
    centres : float16[k, d]
    joined : int16[k - 2, 2], which nodes make node k, k + 1, …; node i < k is cluster i. The root is left out.
    sizes : int64[k], texts in each cluster of the half that was clustered.
    counts : int64[k], of the other half.
    edges : float32[NOVELTY_BINS - 1], of squared distances to the nearest centre, that divide the first half evenly.
    novelty : int64[NOVELTY_BINS], counts of the other half between them.
    """

    centres: NDArray[np.float16]
    joined: NDArray[np.int16]
    sizes: NDArray[np.int64]
    counts: NDArray[np.int64]
    edges: NDArray[np.float32]
    novelty: NDArray[np.int64]

    @property
    def members(self) -> NDArray[np.bool_]:
        """bool[nodes, k]: which clusters a node joins."""
        k = len(self.centres)
        rows = list(np.eye(k, dtype=np.bool_))
        for left, right in self.joined.tolist():
            rows.append(rows[left] | rows[right])
        return np.array(rows)


@dataclass(frozen=True, slots=True)
class Reference:
    """Fitted to n vectors of d numbers.

    Attributes
    ----------
    mean : float32[d]
    components : float32[p, d], orthonormal rows.
    sample : float16[s, p], coordinates of some of them.
    places : uint8[s, 2], the cluster of each of those in either half.
    scales : float32[2], what coordinates, and membership of clusters, are multiplied by, so that products of two texts have a
        mean square of 1 in each.
    halves : the two.
    typical : for each half and cluster, trace ids of the texts nearest to the centre.
    """

    count: int
    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    sample: NDArray[np.float16]
    places: NDArray[np.uint8]
    scales: NDArray[np.float32]
    halves: tuple[Half, Half]
    typical: tuple[tuple[tuple[str, ...], ...], ...]

    def encode(self) -> bytes:
        arrays: dict[str, NDArray[Any]] = {
            "mean": self.mean,
            "components": self.components.astype(np.float16),
            "sample": self.sample,
            "places": self.places,
            "scales": self.scales,
        }
        for place, half in enumerate(self.halves):
            arrays |= {f"{name}{place}": getattr(half, name) for name in Half.__slots__}
        return packed([self.count, self.typical], arrays)

    @classmethod
    def decode(cls, data: bytes) -> Reference:
        """
        Raises
        ------
        ValueError : not the bytes of `encode`.
        """
        (count, typical), arrays = unpacked(data)
        halves = [Half(*(arrays[f"{name}{place}"] for name in Half.__slots__)) for place in (0, 1)]
        return cls(
            count,
            arrays["mean"],
            arrays["components"].astype(np.float32),
            arrays["sample"],
            arrays["places"],
            arrays["scales"],
            (halves[0], halves[1]),
            tuple(tuple(map(tuple, half)) for half in typical),
        )


def fit(vectors: NDArray[np.float16], trace_ids: Sequence[str], clusters: int) -> Reference:
    """The reference of these vectors, float16[n, d], of the traces `trace_ids`.

    Deterministic on one machine: fixed seed, one start, one thread.
    """
    from threadpoolctl import threadpool_limits

    x = vectors.astype(np.float32)
    with threadpool_limits(1):
        mean, components = _components(x)
        sample = evenly(len(x), SAMPLE)
        # by lot: in a stream that alternates, every other text would be of one kind
        drawn = np.random.default_rng(SEED).permutation(len(x))
        middle = len(x) // 2
        parts = np.sort(drawn[:middle]), np.sort(drawn[middle:])
        halves, typical, belongs = [], [], np.empty((len(x), len(parts)), dtype=np.uint8)
        for place, (own, other) in enumerate((parts, parts[::-1])):
            half, nearest, clustered, counted = _half(x[own], x[other], clusters)
            belongs[own, place], belongs[other, place] = clustered, counted
            halves.append(half)
            typical.append(tuple(tuple(trace_ids[i] for i in own[places].tolist()) for places in nearest))
        projected = ((x[sample] - mean) @ components.T).astype(np.float16)
        places = belongs[sample]
        members = [np.eye(len(half.centres))[own] for half, own in zip(halves, places.T, strict=True)]
        scales = np.array([_scale(projected), _scale(np.hstack(members))], dtype=np.float32)
    return Reference(len(x), mean, components, projected, places, scales, (halves[0], halves[1]), tuple(typical))


class Centres:
    """Centres, to find the nearest of. Text by text, and row by row without a matrix product, so that a text has the same
    distance to the last bit when the reference is made and when it comes again."""

    __slots__ = ("_half_squares", "_rows")

    def __init__(self, centres: NDArray[np.float16]) -> None:
        self._rows = centres.astype(np.float32)
        self._half_squares = 0.5 * (self._rows * self._rows).sum(axis=1)

    def nearest(self, x: NDArray[np.float32]) -> tuple[int, np.float32]:
        """The nearest centre to a vector, and the squared distance."""
        scores = np.vecdot(self._rows, x) - self._half_squares
        cluster = int(scores.argmax())
        return cluster, np.maximum(np.vecdot(x, x) - 2 * scores[cluster], np.float32(0))

    def nearest_of_all(self, x: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Of each row."""
        found = [self.nearest(row) for row in x]
        return np.array([c for c, _ in found], dtype=np.int64), np.array([d for _, d in found], dtype=np.float32)


def _components(x: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    mean = x.mean(axis=0)
    centred = x - mean
    _, axes = np.linalg.eigh((centred.T @ centred).astype(np.float64) / len(x))
    largest = axes[:, ::-1][:, : min(COMPONENTS, x.shape[1])]
    return mean, np.ascontiguousarray(largest.T.astype(np.float16).astype(np.float32))  # as it is stored


def _scale(x: NDArray[Any]) -> float:
    """What makes the products of two rows, less the rows' mean, 1 in mean square."""
    centred = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
    square = float(((centred @ centred.T) ** 2).mean())
    return square**-0.25 if square > 0 else 0.0


def _half(
    clustered: NDArray[np.float32], counted: NDArray[np.float32], clusters: int
) -> tuple[Half, list[NDArray[np.intp]], NDArray[np.int64], NDArray[np.int64]]:
    """Clusters of the one, counts of the other; where in the first the texts stand that are nearest to each centre; and
    the clusters of all texts of either."""
    centres = _centres(clustered, clusters)
    places, k = Centres(centres), len(centres)
    own, distance = places.nearest_of_all(clustered)
    sizes = np.bincount(own, minlength=k)
    # a text draws its centre towards itself: how far it is from the centre of the others of its cluster
    apart = distance * (sizes[own] / np.maximum(sizes[own] - 1, 1)) ** 2
    edges = np.quantile(apart, np.arange(1, NOVELTY_BINS) / NOVELTY_BINS).astype(np.float32)
    other, away = places.nearest_of_all(counted)
    order = np.argsort(distance, kind="stable")
    nearest = [order[own[order] == cluster][:TYPICAL] for cluster in range(k)]
    half = Half(
        centres=centres,
        joined=_tree(centres.astype(np.float64)),
        sizes=sizes.astype(np.int64),
        counts=np.bincount(other, minlength=k).astype(np.int64),
        edges=edges,
        novelty=np.bincount(np.searchsorted(edges, away, side="left"), minlength=NOVELTY_BINS).astype(np.int64),
    )
    return half, nearest, own, other


def _centres(x: NDArray[np.float32], clusters: int) -> NDArray[np.float16]:
    import warnings

    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    k = max(LEAST_CLUSTERS, min(clusters, len(x) // TEXTS_A_CLUSTER))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct texts than clusters
        means = KMeans(k, n_init=1, random_state=SEED, max_iter=MAX_ITERATIONS, algorithm="lloyd").fit(x)
    return means.cluster_centers_.astype(np.float16)


def _tree(centres: NDArray[np.float64]) -> NDArray[np.int16]:
    import warnings

    from scipy.cluster.hierarchy import ClusterWarning, linkage

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ClusterWarning)  # centres that are all alike
        return linkage(centres, "ward")[:-1, :2].astype(np.int16)
