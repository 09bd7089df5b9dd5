"""What the judge worker is asked: rendered, redacted, bounded views, never references."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from .base import Identifier, Int32, Record, UtcDatetime
from .ids import plain_digest
from .source import Source

Dimensions = Mapping[str, Mapping[str, tuple[str, ...] | None]]
"""For each dimension its values in a trace, and for each value the span ids it belongs to (None: the whole trace),
e.g. ``{"model": {"gpt-4o": None}, "tool": {"search": ("a1", "b2")}}``."""


class View(Record):
    """What a deferred evaluator sees of one target: named texts, e.g. ``{"input": …, "output": …}``, and the prompt that
    its score will name."""

    target_id: Identifier
    target_digest: Identifier
    span_id: Identifier | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    fields: Mapping[str, Any]


class JudgeRequest(Record):
    """All views of one trace (or session) for one configured evaluator; answered together."""

    schema_version: Literal[1] = 1
    trace_id: Identifier
    session_id: Identifier | None = None
    target: Literal["span", "trace", "session"]
    project: Identifier = ""
    environment: Identifier = ""
    evaluator: Identifier
    evaluator_version: Identifier
    decisions: tuple[Identifier, ...]
    fingerprint: Identifier
    revision: Int32
    views: tuple[View, ...]
    event_time: UtcDatetime
    requested_at: UtcDatetime
    inclusion_probability: float = Field(default=1.0, gt=0, le=1)
    measurable: bool = True
    dimensions: Dimensions = Field(default_factory=dict)
    source: Source

    @property
    def request_id(self) -> str:
        return plain_digest(
            [
                self.trace_id,
                self.evaluator,
                self.evaluator_version,
                sorted((v.target_id, v.target_digest) for v in self.views),
            ]
        )
