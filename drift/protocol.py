"""What a bank of detectors is: one detector for very many segments, fed in batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from schemas.measurement import Measurement


@dataclass(frozen=True, slots=True)
class Detection:
    """A change found in one segment while reading observation number `index` of the batch."""

    index: int
    detector: str
    kind: Literal["score", "embedding", "category"] = "score"
    changed_at: datetime | None = None
    before: float | None = None
    after: float | None = None
    statistic: float | None = None
    threshold: float | None = None
    observations: int = 0
    explanation: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StateRow:
    """The state of one detector (or alert rule) in one segment, as stored: `kind` and `key` identify it."""

    kind: str
    key: str
    state: bytes


class DetectorBank(Protocol):
    """A detector over many segments.

    Deterministic: the same observations in the same order, however cut into batches and however often saved and loaded
    in between, give the same detections and, bit for bit, the same state.
    """

    kind: str
    dropped: Counter[str]
    """Observations (or state rows) that could not be used, by reason, since the bank was made."""

    def update(self, batch: Sequence[Measurement]) -> list[Detection]:
        """Read observations in order; those it has no use for are passed over. Detections in order of `index`."""
        ...

    def dirty(self) -> list[StateRow]:
        """The rows that changed since the last call."""
        ...

    def load(self, rows: Sequence[StateRow]) -> None:
        """Take up stored state; replaces what is in memory for those segments."""
        ...
