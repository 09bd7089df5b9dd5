"""What the warehouse takes and gives beside the records of `schemas`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from schemas.judge_request import JudgeRequest
from schemas.score import DecisionKey, Score
from schemas.source import Source
from schemas.state_row import StateRow
from schemas.trace import Trace

T = TypeVar("T")
SubjectKind = Literal["trace", "session", "user"]


class Subject(NamedTuple):
    """What a person may have deleted: a trace, a session or a user, by the id as it is stored."""

    kind: SubjectKind
    id: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A trace as it stands after a write: whole, with fingerprint and revision.

    `is_new`: nothing was known under its id. `gained`: this write added a version of a span.
    """

    trace: Trace
    is_new: bool
    gained: bool


@dataclass(frozen=True, slots=True)
class Known:
    """Decisions of a trace that need not be made again: stored, or asked of a judge."""

    keys: frozenset[DecisionKey] = frozenset()
    sources: Mapping[DecisionKey, Source] = field(default_factory=dict)
    measured: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TraceDecisions:
    """All that one record decided about one trace. `passed_over`: decision name → why no row is kept for it."""

    trace_id: str
    scores: Sequence[Score] = ()
    requests: Sequence[JudgeRequest] = ()
    passed_over: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Position:
    """How far a component is durably done with a partition: the next offset it needs.

    `digest` is that of the record before it, by which the log is known again; None where it was not taken.
    """

    component: str
    topic: str
    partition: int
    epoch: int
    next_offset: int
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A partition of `measurements` as its new owner finds it. `positions`: (source topic, source partition, source
    epoch) → last offset counted.
    """

    partition: int
    epoch: int
    rows: Sequence[StateRow]
    positions: Mapping[tuple[str, int, int], int]


@dataclass(frozen=True, slots=True)
class Notification:
    """Something to send: `kind` says by which way, `dedup_id` is equal for the same notification for ever."""

    destination: str
    kind: Literal["topic", "slack", "webhook"]
    body: bytes
    dedup_id: str


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A notification that waits to be sent; `attempts` counts those that failed."""

    id: int
    partition: int
    destination: str
    kind: Literal["topic", "slack", "webhook"]
    body: bytes
    dedup_id: str
    attempts: int
    created: datetime


@dataclass(frozen=True, slots=True)
class ComponentState:
    """The last word of one running component."""

    component: str
    instance: str
    seen: datetime
    state: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Numbered(Generic[T]):
    """A record with the number under which it was stored; numbers rise."""

    seq: int
    record: T


@dataclass(frozen=True, slots=True)
class ScoreSummary:
    """One evaluator's current decisions. `judged` are those with a verdict, `passed` those of them that passed."""

    evaluator: str
    targets: int
    scored: int
    skipped: int
    failed: int
    passed: int
    judged: int
    mean: float | None
    median: float | None

    @property
    def coverage(self) -> float:
        """The share of targets that has a score."""
        return self.scored / self.targets if self.targets else 0.0

    @property
    def pass_rate(self) -> float | None:
        return self.passed / self.judged if self.judged else None


@dataclass(frozen=True, slots=True)
class Why:
    """All that is known of a trace's evaluation. `trace` are the columns of its row, empty for an unknown trace.

    `current`: those of `decisions` that `v_scores_current` shows. `passed_over`: decision → why there is no row.
    """

    trace_id: str
    trace: Mapping[str, Any]
    decisions: Sequence[Score]
    current: frozenset[DecisionKey]
    in_flight: Sequence[JudgeRequest]
    passed_over: Mapping[str, str]
    measured: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Rows of a person's own SQL; `truncated`: there are more."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    truncated: bool
