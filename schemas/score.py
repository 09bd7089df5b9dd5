"""A decision about one target by one evaluator: scored, skipped with a reason, or failed with an error type."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from pydantic import Field, computed_field

from .base import Published, Record, UtcDatetime
from .ids import plain_digest
from .source import Source

TargetKind = Literal["span", "trace", "session"]
ScoreStatus = Literal["scored", "skipped", "failed"]
IDS_REMEMBERED = 16_384
PRECEDENCE: Mapping[str, int] = {"skipped": 0, "failed": 1, "scored": 2}


class DecisionKey(NamedTuple):
    """Primary key of a decision. `target_id` is the span id, or "" for a trace, or "session:<id>"."""

    trace_id: str
    evaluator: str
    evaluator_version: str
    target_id: str
    target_digest: str


class Evidence(Record):
    """Where a verdict rests: a span, a path inside it, and the fragment that shows it."""

    span_id: str | None = None
    path: str = ""
    quote: str = ""


class Score(Published):
    """One decision. `value` is in [0, 1] or in the evaluator's unit; a failed one is never a number."""

    schema_version: Literal[1] = 1
    trace_id: str
    target: TargetKind
    span_id: str | None = None
    blamed_span_id: str | None = None
    session_id: str | None = None
    project: str = ""
    environment: str = ""
    evaluator: str
    evaluator_version: str
    kind: Literal["code", "llm", "human"] = "code"
    target_digest: str = ""
    revision: int = 0
    status: ScoreStatus
    value: float | None = None
    label: str | None = None
    passed: bool | None = None
    explanation: str = ""
    evidence: tuple[Evidence, ...] = ()
    skip_reason: str | None = None
    error_type: str | None = None
    inclusion_probability: float = Field(default=1.0, gt=0, le=1)
    cost_usd: float | None = None
    latency_s: float | None = None
    model: str | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    profile_version: str | None = None
    event_time: UtcDatetime
    source: Source | None = None
    measured: bool = False
    attributes: Mapping[str, Any] = {}

    @property
    def target_id(self) -> str:
        if self.target == "session":
            return f"session:{self.session_id}"
        return self.span_id or ""

    @property
    def key(self) -> DecisionKey:
        return DecisionKey(self.trace_id, self.evaluator, self.evaluator_version, self.target_id, self.target_digest)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def score_id(self) -> str:
        return _score_id(self.key)


@lru_cache(maxsize=IDS_REMEMBERED)
def _score_id(key: DecisionKey) -> str:
    return plain_digest(list(key))
