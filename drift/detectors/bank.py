"""What banks of one state object per segment share: made on first sight, stored when it changed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from drift.detectors.rows import NO_ROOM, SegmentRows
from drift.protocol import SCORED, Detection, Observation, Observations
from schemas.state_row import StateRow

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drift.table import SegmentTable

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
        self._rows = SegmentRows(evaluators, max_segments)
        self._states: list[State] = []
        self._dirty: set[int] = set()

    def share(self, table: SegmentTable) -> None:
        self._rows.share(table)

    def update(self, observations: Observations) -> list[Detection]:
        rows = self._rows.of(observations, (observations.outcome == SCORED) & self.reads(observations))
        without_room = int(np.count_nonzero(rows == NO_ROOM))
        if without_room:
            self.dropped["detector_segments"] += without_room
        self._states += [self.new() for _ in range(len(self._rows) - len(self._states))]
        read = np.flatnonzero(rows >= 0)
        found: list[Detection] = []
        for row, observation in zip(rows[read].tolist(), observations.rows(read), strict=True):
            self._dirty.add(row)
            detection = self.observe(self._states[row], observation)
            if detection is not None:
                found.append(detection)
        return found

    def dirty(self) -> list[StateRow]:
        changed = self._rows.by_key(self._dirty)
        self._dirty.clear()
        return [stored for key, row in changed for stored in self.stored(key, self._states[row])]

    def load(self, rows: Sequence[StateRow]) -> None:
        for stored in rows:
            if stored.kind == self.kind:
                row = self._rows.add(stored.key)
                self._states[row : row + 1] = [self.decode(stored.state)]
                self._dirty.discard(row)

    def stored(self, key: str, state: State) -> Iterable[StateRow]:
        """The rows of a segment that changed."""
        return [StateRow(self.kind, key, self.encode(state))]

    @abstractmethod
    def reads(self, observations: Observations) -> NDArray[np.bool_]:
        """Which of them the detector has a use for, bool[n]; only scored ones reach it anyway."""

    @abstractmethod
    def new(self) -> State:
        """The state before the first observation."""

    @abstractmethod
    def observe(self, state: State, observation: Observation) -> Detection | None:
        """Take up one observation."""

    @abstractmethod
    def encode(self, state: State) -> bytes:
        """Equal bytes for equal states."""

    @abstractmethod
    def decode(self, data: bytes) -> State:
        """The state, exactly. What cannot be read any more (other options, another library version) gives `new()`."""
