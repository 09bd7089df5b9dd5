"""Has the mean of the embeddings moved? Hotelling's two-sample T² on principal components, against a fixed reference.

A new topic lies mostly outside the components of the old ones, where T² on them alone would not look. So each vector is
described by its coordinates along the components and by its distance from the space they span (the Q statistic of process
control: Jackson, Mudholkar: Technometrics 21, 1979): k + 1 features.

The first half of a segment's `reference` vectors gives the principal components, the other half the mean and the covariance
of the features: of vectors that the components were not fitted to, or the variance would come out too large and little would be
found. The covariance is shrunk (Ledoit, Wolf: J. Multivariate Analysis 88, 2004), because plain it gave a hundred times
the promised alarms on text embeddings. Then, every quarter of a window, the mean of the last `window` vectors is compared
with the mean of that half. With n vectors in the half, m in the window and p features, (n - p) / (p (n - 1)) · T² is taken
to be F(p, n - p) distributed. That is exact without the shrinkage, for independent vectors of one normal distribution
(Anderson: An Introduction to Multivariate Statistical Analysis, 5.3), and an approximation for embeddings. `alpha` is the
chance of a false alarm in each test, and 4 alpha / window that for each vector.

An alarm starts a new epoch: the next `reference` vectors are the new normal. A segment holds `reference` float16 vectors
while it collects, then (components + 1) float32 vectors and the whitening of its features.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from pydantic import Field, model_validator

from drift.detectors.bank import SegmentBank
from drift.protocol import Detection, Observation, Observations
from schemas.settings import Section

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = 2
BLOCKS = 4
SMALLEST_VARIANCE = 1e-9
MAX_DIMENSIONS = 8192


class EmbeddingShiftOptions(Section):
    """Options of `embedding_shift`."""

    reference: int = Field(200, ge=32, le=5000, description="Vectors that make the reference.")
    window: int = Field(100, ge=8, le=10_000, multiple_of=BLOCKS, description="Vectors that are compared with it.")
    components: int = Field(16, ge=1, le=256, description="Principal components; at most a quarter of the reference.")
    alpha: float = Field(1e-3, gt=0, lt=0.5, description="Chance of a false alarm in each test (4 tests a window).")
    max_segments: int = Field(500, ge=1, description="Further segments are not watched, and counted.")

    @model_validator(mode="after")
    def _consistent(self) -> EmbeddingShiftOptions:
        if self.components * 4 > self.reference:
            raise ValueError(
                f"components ({self.components}) must be at most a quarter of reference ({self.reference})"
            )
        return self


class _State:
    """One segment. `reference` is None once `mean`, `components` (k x dimensions) and, of the k + 1 features, `centre` and
    `whitening`, which makes their covariance the identity, are fitted."""

    __slots__ = (
        "block_times",
        "blocks",
        "centre",
        "components",
        "count",
        "dimensions",
        "mean",
        "misfits",
        "reference",
        "whitening",
    )

    def __init__(self) -> None:
        self.begin(0)

    def begin(self, dimensions: int) -> None:
        """A new epoch, of vectors of this length (0: of the next vector's)."""
        self.dimensions = dimensions
        self.count = 0
        self.misfits = 0
        self.reference: list[bytes] | None = []
        self.mean: NDArray[np.float32] | None = None
        self.components: NDArray[np.float32] | None = None
        self.centre: NDArray[np.float64] | None = None
        self.whitening: NDArray[np.float64] | None = None
        self.blocks: list[NDArray[np.float64]] = []  # sums of projections, oldest first; the last may be unfinished
        self.block_times: list[float] = []


class EmbeddingShiftBank(SegmentBank[_State]):
    """Mean shift of embeddings in every segment."""

    def __init__(self, kind: str, options: EmbeddingShiftOptions, evaluators: Collection[str] | None = None) -> None:
        super().__init__(kind, evaluators, options.max_segments)
        self._options = options
        self._block = options.window // BLOCKS
        self._format = [FORMAT, options.reference, options.window, options.components]

    def reads(self, observations: Observations) -> NDArray[np.bool_]:
        wanted = np.zeros(len(observations), dtype=np.bool_)
        wanted[list(observations.vectors)] = True
        return wanted

    def new(self) -> _State:
        return _State()

    def observe(self, state: _State, observation: Observation) -> Detection | None:
        vector = self._vector(state, observation.vector)
        if vector is None:
            self.dropped["detector_value"] += 1
            return None
        state.count += 1
        if state.reference is not None:
            state.reference.append(vector.tobytes())
            if len(state.reference) >= self._options.reference:
                self._fit(state)
            return None
        return self._compare(state, vector, observation.row, observation.time)

    def encode(self, state: _State) -> bytes:
        head: list[Any] = [*self._format, state.dimensions, state.count, state.misfits, state.block_times]
        fitted = state.reference is None
        arrays = [state.mean, state.components, state.centre, state.whitening, *state.blocks] if fitted else []
        sizes = [len(state.components) if state.components is not None else 0, len(state.blocks)]
        body = b"".join(a.tobytes() for a in arrays if a is not None) if fitted else b"".join(state.reference or ())
        return orjson.dumps([*head, fitted, sizes, len(body)]) + b"\n" + body

    def decode(self, data: bytes) -> _State:
        state = _State()
        line, _, body = data.partition(b"\n")
        try:
            *form, dimensions, count, misfits, block_times, fitted, (k, blocks), length = orjson.loads(line)
        except (orjson.JSONDecodeError, ValueError, TypeError):
            form, length = [], -1
        if form != self._format or length != len(body):
            self.dropped["detector_state"] += 1
            return state
        state.begin(dimensions)
        state.count, state.misfits, state.block_times = count, misfits, block_times
        if fitted:
            state.reference = None
            _read_fitted(state, body, k, blocks)
        else:
            size = 2 * dimensions
            state.reference = [body[at : at + size] for at in range(0, len(body), size)] if size else []
        return state

    def _vector(self, state: _State, vector: NDArray[np.float16] | None) -> NDArray[np.float16] | None:
        """The vector; None where it is not finite or not of the epoch's length."""
        if vector is None or not 0 < len(vector) <= MAX_DIMENSIONS or not np.isfinite(vector).all():
            return None
        if state.dimensions == 0:
            state.dimensions = len(vector)
        if len(vector) != state.dimensions:
            state.misfits += 1
            if state.misfits < self._options.window:
                return None
            state.begin(len(vector))  # the embedding model was changed
        state.misfits = 0
        return vector

    def _fit(self, state: _State) -> None:
        from sklearn.covariance import LedoitWolf
        from sklearn.decomposition import PCA

        reference = np.frombuffer(b"".join(state.reference or ()), dtype=np.float16).reshape(-1, state.dimensions)
        half = len(reference) // 2
        k = min(self._options.components, state.dimensions)
        with np.errstate(invalid="ignore"):  # all vectors alike: shares of no variance
            components = PCA(n_components=k, svd_solver="full").fit(reference[:half].astype(np.float64)).components_
        rest = reference[half:].astype(np.float64)
        state.mean = rest.mean(axis=0).astype(np.float32)
        # in row order, as they will be read back: another order sums in another order
        state.components = np.ascontiguousarray(components, dtype=np.float32)
        features = np.array([_features(state, vector) for vector in rest])
        state.centre = features.mean(axis=0)
        centred = features - state.centre
        shrunk = LedoitWolf(assume_centered=True).fit(centred).covariance_ * len(rest) / (len(rest) - 1)
        covariance = shrunk + SMALLEST_VARIANCE * (1 + np.trace(shrunk)) * np.eye(k + 1)
        state.whitening = np.ascontiguousarray(np.linalg.inv(np.linalg.cholesky(covariance)))
        state.reference = None

    def _compare(self, state: _State, vector: NDArray[np.float16], index: int, at: float) -> Detection | None:
        assert state.centre is not None and state.whitening is not None
        projected = state.whitening @ (_features(state, vector) - state.centre)
        position = (state.count - self._options.reference - 1) % self._block
        if position == 0:
            state.blocks = [*state.blocks[-(BLOCKS - 1) :], projected]
            state.block_times = [*state.block_times[-(BLOCKS - 1) :], at]
        else:
            state.blocks[-1] = state.blocks[-1] + projected
        if position < self._block - 1 or len(state.blocks) < BLOCKS:
            return None
        n, m, k = -(-self._options.reference // 2), self._options.window, len(state.whitening)
        shift = np.sum(state.blocks, axis=0) / m
        distance = float(np.sqrt(np.sum(shift * shift)))
        t2 = n * m / (n + m) * distance**2
        statistic, limit = t2 * (n - k) / (k * (n - 1)), _threshold(self._options.alpha, k, n - k)
        if statistic <= limit:
            return None
        detection = self._detection(state, index, statistic, limit, distance)
        state.begin(state.dimensions)
        return detection

    def _detection(self, state: _State, index: int, statistic: float, limit: float, distance: float) -> Detection:
        since = datetime.fromtimestamp(state.block_times[0], UTC)
        return Detection(
            index=index,
            detector=self.kind,
            kind="embedding",
            changed_at=since,
            after=distance,
            before=0.0,
            statistic=statistic,
            threshold=limit,
            observations=state.count,
            explanation=f"the mean embedding of the last {self._options.window} traces lies {distance:.3g} standard deviations from "
            f"the reference of {self._options.reference} (F {statistic:.3g} above {limit:.3g}); the window began "
            f"{since:%Y-%m-%d %H:%M} UTC",
            details=self._options.model_dump(),
        )


def _features(state: _State, vector: NDArray[Any]) -> NDArray[np.float64]:
    """Coordinates along the components, and the distance from the space that they span."""
    assert state.mean is not None and state.components is not None
    centred = vector.astype(np.float32) - state.mean
    along = state.components @ centred
    beside = max(float(centred @ centred) - float(along @ along), 0.0)
    return np.append(along.astype(np.float64), np.sqrt(beside))


_thresholds: dict[tuple[float, int, int], float] = {}


def _threshold(alpha: float, k: int, rest: int) -> float:
    key = (alpha, k, rest)
    if key not in _thresholds:
        from scipy.stats import f

        _thresholds[key] = float(f.isf(alpha, k, rest))
    return _thresholds[key]


def _read_fitted(state: _State, body: bytes, k: int, blocks: int) -> None:
    d, at = state.dimensions, 0

    def take(dtype: type, count: int) -> Any:
        nonlocal at
        array: NDArray[Any] = np.frombuffer(body, dtype=dtype, count=count, offset=at).copy()
        at += array.nbytes
        return array

    state.mean = take(np.float32, d)
    state.components = take(np.float32, k * d).reshape(k, d)
    state.centre = take(np.float64, k + 1)
    state.whitening = take(np.float64, (k + 1) ** 2).reshape(k + 1, k + 1)
    state.blocks = [take(np.float64, k + 1) for _ in range(blocks)]
