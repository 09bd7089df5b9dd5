"""Has the mean of the embeddings moved? Hotelling's T² on principal components, against a fixed reference.

The first `reference` vectors of a segment give the mean, the principal components (scikit-learn) and the variance along
each. Then, every quarter of a window, the mean of the last `window` vectors is compared with the reference mean:
T² = n m / (n + m) · Σ (difference² / variance), and T² (n - k) / (k (n - 1)) is F(k, n - k) distributed if vectors are
independent, of one distribution, and their window means normal (Anderson: An Introduction to Multivariate Statistical
Analysis, 5.3). Tests of overlapping windows are not independent: `alpha` bounds the chance of each, so that the rate of
false alarms is at most 4 alpha / window for each vector. The components are fitted to the reference, whose variance along
them is therefore too large rather than too small: with few vectors the test is conservative.

An alarm starts a new epoch: the next `reference` vectors are the new normal. A segment holds `reference` float16 vectors
while it collects, then (components + 1) float32 vectors.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import Field, model_validator

from drift.detectors.bank import SegmentBank
from drift.protocol import Detection
from schemas.measurement import Measurement
from schemas.settings import Section

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMAT = 1
BLOCKS = 4
SMALLEST_VARIANCE = 1e-9
MAX_DIMENSIONS = 8192


class EmbeddingShiftOptions(Section):
    """Options of `embedding_shift`."""

    reference: int = Field(200, ge=32, le=5000, description="Vectors that make the reference.")
    window: int = Field(100, ge=8, le=10_000, multiple_of=BLOCKS, description="Vectors that are compared with it.")
    components: int = Field(16, ge=1, le=256, description="Principal components.")
    alpha: float = Field(1e-4, gt=0, lt=0.5, description="Chance of a false alarm in each test (4 tests a window).")
    max_segments: int = Field(500, ge=1, description="Further segments are not watched, and counted.")

    @model_validator(mode="after")
    def _consistent(self) -> EmbeddingShiftOptions:
        if self.components * 2 >= self.reference:
            raise ValueError(f"components ({self.components}) must be fewer than half of reference ({self.reference})")
        return self


class _State:
    """One segment. `reference` is None once the components are fitted."""

    __slots__ = (
        "block_times",
        "blocks",
        "components",
        "count",
        "dimensions",
        "mean",
        "misfits",
        "reference",
        "variance",
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
        self.variance: NDArray[np.float64] | None = None
        self.blocks: list[NDArray[np.float64]] = []  # sums of projections, oldest first; the last may be unfinished
        self.block_times: list[float] = []


class EmbeddingShiftBank(SegmentBank[_State]):
    """Mean shift of embeddings in every segment."""

    def __init__(self, kind: str, options: EmbeddingShiftOptions, evaluators: Collection[str] | None = None) -> None:
        super().__init__(kind, evaluators, options.max_segments)
        self._options = options
        self._block = options.window // BLOCKS
        self._format = [FORMAT, options.reference, options.window, options.components]

    def reads(self, measurement: Measurement) -> bool:
        return measurement.vector is not None and super().reads(measurement)

    def new(self) -> _State:
        return _State()

    def observe(self, state: _State, index: int, measurement: Measurement) -> Detection | None:
        vector = self._vector(state, measurement)
        if vector is None:
            self.dropped["detector_value"] += 1
            return None
        state.count += 1
        if state.reference is not None:
            state.reference.append(vector.tobytes())
            if len(state.reference) >= self._options.reference:
                self._fit(state)
            return None
        return self._compare(state, vector, index, measurement.event_time.timestamp())

    def encode(self, state: _State) -> bytes:
        head: list[Any] = [*self._format, state.dimensions, state.count, state.misfits, state.block_times]
        fitted = state.reference is None
        arrays = [state.mean, state.components, state.variance, *state.blocks] if fitted else []
        sizes = [len(state.variance) if state.variance is not None else 0, len(state.blocks)]
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

    def _vector(self, state: _State, measurement: Measurement) -> NDArray[np.float16] | None:
        """The vector as float16; None where it is not finite or not of the epoch's length."""
        import numpy as np

        given = measurement.vector or ()
        if not 0 < len(given) <= MAX_DIMENSIONS:
            return None
        with np.errstate(over="ignore"):
            vector = np.asarray(given, dtype=np.float16)
        if not np.isfinite(vector).all():
            return None
        if state.dimensions == 0:
            state.dimensions = len(given)
        if len(given) != state.dimensions:
            state.misfits += 1
            if state.misfits < self._options.window:
                return None
            state.begin(len(given))  # the embedding model was changed
        state.misfits = 0
        return vector

    def _fit(self, state: _State) -> None:
        import numpy as np
        from sklearn.decomposition import PCA

        reference = np.frombuffer(b"".join(state.reference or ()), dtype=np.float16).reshape(-1, state.dimensions)
        k = min(self._options.components, state.dimensions)
        with np.errstate(invalid="ignore"):  # all vectors alike: shares of no variance
            fitted = PCA(n_components=k, svd_solver="full").fit(reference.astype(np.float64))
        state.mean = fitted.mean_.astype(np.float32)
        state.components = np.ascontiguousarray(fitted.components_, dtype=np.float32)
        state.variance = np.maximum(fitted.explained_variance_, SMALLEST_VARIANCE)
        state.reference = None

    def _compare(self, state: _State, vector: NDArray[np.float16], index: int, at: float) -> Detection | None:
        import numpy as np

        assert state.mean is not None and state.components is not None and state.variance is not None
        projected = (state.components @ (vector.astype(np.float32) - state.mean)).astype(np.float64)
        position = (state.count - self._options.reference - 1) % self._block
        if position == 0:
            state.blocks = [*state.blocks[-(BLOCKS - 1) :], projected]
            state.block_times = [*state.block_times[-(BLOCKS - 1) :], at]
        else:
            state.blocks[-1] = state.blocks[-1] + projected
        if position < self._block - 1 or len(state.blocks) < BLOCKS:
            return None
        n, m, k = self._options.reference, self._options.window, len(state.variance)
        shift = np.sum(state.blocks, axis=0) / m
        t2 = n * m / (n + m) * float(np.sum(shift * shift / state.variance))
        statistic, limit = t2 * (n - k) / (k * (n - 1)), _threshold(self._options.alpha, k, n - k)
        if statistic <= limit:
            return None
        detection = self._detection(state, index, statistic, limit, float(np.sqrt(np.sum(shift * shift))))
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
            explanation=f"the mean embedding of the last {self._options.window} traces lies {distance:.3g} from the "
            f"reference of {self._options.reference} (F {statistic:.3g} above {limit:.3g}); the window began "
            f"{since:%Y-%m-%d %H:%M} UTC",
            details=self._options.model_dump(),
        )


_thresholds: dict[tuple[float, int, int], float] = {}


def _threshold(alpha: float, k: int, rest: int) -> float:
    key = (alpha, k, rest)
    if key not in _thresholds:
        from scipy.stats import f

        _thresholds[key] = float(f.isf(alpha, k, rest))
    return _thresholds[key]


def _read_fitted(state: _State, body: bytes, k: int, blocks: int) -> None:
    import numpy as np

    d, at = state.dimensions, 0

    def take(dtype: type, count: int) -> Any:
        nonlocal at
        array: NDArray[Any] = np.frombuffer(body, dtype=dtype, count=count, offset=at).copy()
        at += array.nbytes
        return array

    state.mean = take(np.float32, d)
    state.components = take(np.float32, k * d).reshape(k, d)
    state.variance = take(np.float64, k)
    state.blocks = [take(np.float64, k) for _ in range(blocks)]
