"""What the shipped banks share: one state object per segment, made on first sight, stored when it changed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Generic, TypeVar

from drift.protocol import Detection, StateRow
from schemas.measurement import Measurement

State = TypeVar("State")


class SegmentBank(ABC, Generic[State]):
    """A `DetectorBank` of independent states by segment.

    Parameters
    ----------
    kind : names the bank in detections and state rows.
    evaluators : read only these; None: all that the detector can read.
    max_segments : most segments it keeps a state for; those beyond are passed over and counted in `dropped`.
    """

    def __init__(self, kind: str, evaluators: Collection[str] | None = None, max_segments: int | None = None) -> None:
        self.kind = kind
        self.dropped: Counter[str] = Counter()
        self._evaluators = None if evaluators is None else frozenset(evaluators)
        self._max_segments = max_segments
        self._states: dict[str, State] = {}
        self._dirty: set[str] = set()

    def update(self, batch: Sequence[Measurement]) -> list[Detection]:
        found: list[Detection] = []
        known: dict[int, State | None] = {}  # by identity: a batch shares its segment objects, and holds them
        for index, measurement in enumerate(batch):
            if not self.reads(measurement):
                continue
            identity = id(measurement.segment)
            if identity not in known:
                known[identity] = self._state(measurement)
            state = known[identity]
            if state is None:
                self.dropped["detector_segments"] += 1
                continue
            detection = self.observe(state, index, measurement)
            if detection is not None:
                found.append(detection)
        return found

    def dirty(self) -> list[StateRow]:
        rows = [StateRow(self.kind, key, self.encode(self._states[key])) for key in sorted(self._dirty)]
        self._dirty.clear()
        return rows

    def load(self, rows: Sequence[StateRow]) -> None:
        for row in rows:
            if row.kind == self.kind:
                self._states[row.key] = self.decode(row.state)
                self._dirty.discard(row.key)

    def reads(self, measurement: Measurement) -> bool:
        """Whether the bank has a use for it."""
        return measurement.outcome == "scored" and (
            self._evaluators is None or measurement.segment.evaluator in self._evaluators
        )

    @abstractmethod
    def new(self) -> State:
        """The state before the first observation."""

    @abstractmethod
    def observe(self, state: State, index: int, measurement: Measurement) -> Detection | None:
        """Take up one observation; `index` goes into the detection."""

    @abstractmethod
    def encode(self, state: State) -> bytes:
        """Equal bytes for equal states."""

    @abstractmethod
    def decode(self, data: bytes) -> State:
        """The state, exactly. What cannot be read any more (other options, another library version) gives `new()`."""

    def _state(self, measurement: Measurement) -> State | None:
        key = measurement.segment.key
        state = self._states.get(key)
        if state is None:
            if self._max_segments is not None and len(self._states) >= self._max_segments:
                return None
            state = self._states[key] = self.new()
        self._dirty.add(key)
        return state
