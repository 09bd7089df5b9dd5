"""Have the texts changed? The mean of a bank of clusters with a guarantee and of a directional detector, on their embeddings.

The first `start` texts of a segment become its reference (drift/embedding/reference.py), and again the first 2, 4, 8, … times as
many, up to `reference`; from then on it stays. Each fit begins the detectors anew. An alarm begins a new epoch, with a
reference of what comes then; so does another length of vectors, and `refit`, when it is changed.

If texts are exchangeable, the bank alone (drift/embedding/clusters.py) has P(R >= c after t texts) <= t / c. The directional detector
(drift/embedding/direction.py) has no such proof; the alarm is at mean(bank, directional) >= patience. Vectors are scaled to length 1.
Inclusion probabilities are not used: texts that were sampled with another probability look like another mix of texts.

State is stored in parts, so that a batch writes little: the reference once, what it is fitted to in pieces of 32 texts, the rest
(some 25 KB) with every batch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field, model_validator

from drift.detectors.bank import SegmentBank
from drift.embedding import arrays
from drift.embedding.clusters import Moved
from drift.embedding.recent import Change
from drift.embedding.reference import fit
from drift.embedding.watch import Watch
from drift.protocol import Detection, Observation, Observations
from schemas.settings import Section
from schemas.state_row import StateRow

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = 3
PIECE = 32
"""Texts of the reference to a stored row."""
MAX_DIMENSIONS = 8192
MAX_MISFITS = 32
"""So many vectors of another length in a row are another model."""
PART = "%"
"""Between a segment's key, where it never stands alone, and the name of a part of its state."""


class EmbeddingOptions(Section):
    """Options of `embedding`."""

    reference: int = Field(3000, ge=64, le=20_000, description="Texts that make the reference in the end.")
    start: int = Field(200, ge=64, description="Texts that make the first; then it is fitted at each doubling.")
    clusters: int = Field(100, ge=2, le=250, description="Most clusters; a smaller reference has fewer.")
    patience: float | None = Field(
        None, ge=100, description="c of this detector; default: follows from `false_alarms_per_day`."
    )
    refit: int = Field(0, ge=0, description="Another number forgets the reference: what comes then is the new normal.")
    max_segments: int = Field(100, ge=1, description="Further segments are not watched, and counted.")

    @model_validator(mode="after")
    def _consistent(self) -> EmbeddingOptions:
        if self.start > self.reference:
            raise ValueError(f"start ({self.start}) must not be above reference ({self.reference})")
        return self

    def is_fit(self, count: int) -> bool:
        """Whether the reference is fitted to the first `count` texts."""
        doublings, rest = divmod(count, self.start)
        return count == self.reference or (
            count < self.reference and rest == 0 and doublings > 0 and doublings & (doublings - 1) == 0
        )


class _State:
    """One segment's epoch. `texts` are the vectors of the reference while it still grows."""

    __slots__ = ("count", "dimensions", "misfits", "stored_parts", "texts", "traces", "unstored", "watch")

    def __init__(self) -> None:
        self.stored_parts: set[str] = set()
        self.begin(0)

    def begin(self, dimensions: int) -> None:
        """A new epoch, of vectors of this length (0: of the next vector's)."""
        self.dimensions, self.count, self.misfits = dimensions, 0, 0
        self.texts: list[bytes] | None = []
        self.traces: list[str] = []
        self.watch: Watch | None = None
        self.unstored: set[str] = set()


class EmbeddingBank(SegmentBank[_State]):
    """Changes of what texts are about, in every segment."""

    def __init__(self, kind: str, options: EmbeddingOptions, evaluators: Collection[str] | None = None) -> None:
        super().__init__(kind, evaluators, options.max_segments)
        self._options = options
        self._format = [FORMAT, options.reference, options.start, options.clusters, options.refit]

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
        patience = self._options.patience or observation.patience
        found = None
        if state.watch is not None:
            statistic = state.watch.update(vector, observation.trace_id, observation.time)
            if statistic >= patience:
                found = self._detection(state, state.watch, observation, statistic, patience)
                state.begin(state.dimensions)
                return found
        if state.texts is not None:
            self._gather(state, state.texts, vector, observation.trace_id)
        return None

    def load(self, rows: Sequence[StateRow]) -> None:
        parts: dict[str, dict[str, bytes]] = {}
        for row in rows:
            if row.kind == self.kind:
                key, _, part = _split(row.key)
                parts.setdefault(key, {})[part] = row.state
        for key in sorted(parts):
            number = self._rows.add(key)
            self._states[number : number + 1] = [self._restored(parts[key])]
            self._dirty.discard(number)

    def encode(self, state: _State) -> bytes:
        """All but the reference and the texts that it grows from."""
        head: list[Any] = [self._format, state.dimensions, state.count, state.misfits, state.texts is not None]
        watched, held = (None, {}) if state.watch is None else state.watch.encode()
        return arrays.packed([*head, watched], held)

    def decode(self, data: bytes) -> _State:
        return self._restored({"": data})

    def _gather(self, state: _State, texts: list[bytes], vector: NDArray[np.float16], trace_id: str) -> None:
        texts.append(vector.tobytes())
        state.traces.append(trace_id)
        state.unstored.add(f"text{(len(texts) - 1) // PIECE}")
        if not self._options.is_fit(len(texts)):
            return
        vectors = np.frombuffer(b"".join(texts), dtype=np.float16).reshape(len(texts), -1)
        state.watch = Watch(fit(vectors, state.traces, self._options.clusters).encode())
        state.unstored.add("fit")
        if len(texts) == self._options.reference:
            state.texts, state.traces = None, []
            state.unstored = {"fit"}

    def _vector(self, state: _State, vector: NDArray[np.float16] | None) -> NDArray[np.float16] | None:
        """The vector, of length 1; None where it is not finite or does not have the epoch's dimensions."""
        if vector is None or not 0 < len(vector) <= MAX_DIMENSIONS or not np.isfinite(vector).all():
            return None
        if state.dimensions == 0:
            state.dimensions = len(vector)
        if len(vector) != state.dimensions:
            state.misfits += 1
            if state.misfits < MAX_MISFITS:
                return None
            state.begin(len(vector))  # the embedding model was changed
        state.misfits = 0
        wide = vector.astype(np.float64)
        length = float(np.sqrt((wide * wide).sum()))
        return (wide / length).astype(np.float16) if length > 0 else vector

    def stored(self, key: str, state: _State) -> Iterator[StateRow]:
        """The rows that changed; those of parts that are no more become empty."""
        yield StateRow(self.kind, key, self.encode(state))
        pieces = {f"text{i}" for i in range(-(-len(state.texts or ()) // PIECE))}
        kept = pieces | ({"fit"} if state.watch is not None else set())
        for part in sorted(state.unstored | (state.stored_parts - kept)):
            yield StateRow(self.kind, f"{key}{PART}{part}", self._part(state, part) if part in kept else b"")
        state.stored_parts, state.unstored = kept, set()

    def _part(self, state: _State, part: str) -> bytes:
        if part == "fit":
            assert state.watch is not None
            return state.watch.reference.encode()
        first = int(part.removeprefix("text")) * PIECE
        texts = (state.texts or [])[first : first + PIECE]
        vectors = np.frombuffer(b"".join(texts), dtype=np.float16).reshape(len(texts), -1)
        return arrays.packed(state.traces[first : first + PIECE], {"vectors": vectors})

    def _restored(self, parts: dict[str, bytes]) -> _State:
        """From the parts that are stored. What does not fit together begins afresh."""
        state = _State()
        try:
            (form, dimensions, count, misfits, grows, watched), held = arrays.unpacked(parts.get("", b""))
            if form != self._format:
                raise ValueError("other options")
            if watched is not None:
                state.watch = Watch.decode(parts.get("fit", b""), watched, held)
            texts, ids = _texts(parts, count if grows else 0)
        except (ValueError, TypeError, KeyError):
            self.dropped["detector_state"] += 1
            state = _State()
        else:
            state.dimensions, state.count, state.misfits = dimensions, count, misfits
            state.texts, state.traces = (texts, ids) if grows else (None, [])
        state.stored_parts = {part for part, stored in parts.items() if part and stored}
        return state

    def _detection(
        self, state: _State, watch: Watch, observation: Observation, statistic: float, patience: float
    ) -> Detection:
        moved, change, typical = watch.moved()
        changed_at = datetime.fromtimestamp(change.changed_at, UTC)
        return Detection(
            index=observation.row,
            detector=self.kind,
            kind="embedding",
            changed_at=changed_at,
            before=change.before,
            after=change.after,
            after_interval=change.after_interval,
            statistic=statistic,
            threshold=patience,
            observations=state.count,
            observations_after=change.since,
            explanation=_explanation(moved, change, changed_at),
            details={
                "more": moved.more,
                "unlike_reference": not moved.clusters,
                "typical_traces": typical,
                "bank": watch.bank.value,
                "directional": watch.direction.value,
                "reference": watch.reference.count,
            },
        )


def _explanation(moved: Moved, change: Change, changed_at: datetime) -> str:
    if moved.clusters:
        what = f"one topic makes up {change.after:.1%} of the texts, before {change.before:.1%}"
    else:
        nearness = "farther from" if moved.more else "nearer to"
        what = f"texts lie {nearness} all topics of the reference ({change.after:.0%} of them, before {change.before:.0%}, in the outer half)"
    return f"{what}, since about {changed_at:%Y-%m-%d %H:%M} UTC ({change.since} texts)"


def _texts(parts: dict[str, bytes], count: int) -> tuple[list[bytes], list[str]]:
    texts: list[bytes] = []
    ids: list[str] = []
    for piece in range(-(-count // PIECE)):
        traces, held = arrays.unpacked(parts[f"text{piece}"])
        texts += [vector.tobytes() for vector in held["vectors"]]
        ids += traces
    if len(texts) != count or len(ids) != count:
        raise ValueError("texts of the reference are missing")
    return texts, ids


def _split(key: str) -> tuple[str, str, str]:
    """A row's key as the segment's, and the part."""
    head, mark, part = key.rpartition(PART)
    return (head, mark, part) if part == "fit" or part.startswith("text") else (key, "", "")
