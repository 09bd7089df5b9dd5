"""How much of what should be evaluated is: what became of the decisions of each evaluator, by segment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import column, func, select, table

from .part import Part

SegmentColumn = Literal["tool_name", "model", "prompt_name", "prompt_version"]
_COLUMNS = ("project", "environment", "evaluator", "tool_name", "model", "prompt_name", "prompt_version")
COVERAGE = table("v_coverage", *(column(name) for name in (*_COLUMNS, "status", "reason", "decisions")))


@dataclass(slots=True)
class Coverage:
    """The current decisions of one evaluator in one segment. `skipped` by reason, `failed` by type of error."""

    evaluator: str
    project: str
    environment: str
    segment: str | None = None
    scored: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)

    @property
    def decisions(self) -> int:
        return self.scored + self.skipped.total() + self.failed.total()

    @property
    def coverage(self) -> float:
        """The share of decisions that is scored."""
        return self.scored / self.decisions if self.decisions else 0.0

    def as_json(self) -> Mapping[str, object]:
        return {
            "evaluator": self.evaluator,
            "project": self.project,
            "environment": self.environment,
            "segment": self.segment,
            "decisions": self.decisions,
            "scored": self.scored,
            "skipped": dict(self.skipped),
            "failed": dict(self.failed),
            "coverage": self.coverage,
        }


class Coverages(Part):
    """View `v_coverage`."""

    def coverage(self, *, evaluator: str | None = None, by: SegmentColumn | None = None) -> list[Coverage]:
        """By evaluator, project and environment, and by another column of the view where `by` names one."""
        c = COVERAGE.c
        keys = [c.evaluator, c.project, c.environment, *([c[by]] if by is not None else [])]
        query = select(*keys, c.status, c.reason, func.sum(c.decisions).label("number")).group_by(
            *keys, c.status, c.reason
        )
        if evaluator is not None:
            query = query.where(c.evaluator == evaluator)
        found: dict[tuple[str | None, ...], Coverage] = {}
        with self.database.read() as connection:
            for *key, status, reason, number in connection.execute(query):
                line = found.setdefault(tuple(key), Coverage(*key))
                if status == "scored":
                    line.scored += int(number)
                else:
                    getattr(line, status)[reason or ""] += int(number)
        return [found[key] for key in sorted(found, key=lambda key: tuple(part or "" for part in key))]
