"""Decisions summed up by evaluator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from schemas.score import Score


@dataclass
class Line:
    """One evaluator's figures. Pass rate and mean are over scored decisions only; coverage says how many those are."""

    evaluator: str
    scored: int = 0
    skipped: int = 0
    failed: int = 0
    waiting: int = 0
    passed: int = 0
    judged: int = 0
    valued: int = 0
    total: float = 0.0

    @property
    def pass_rate(self) -> float | None:
        return self.passed / self.judged if self.judged else None

    @property
    def mean(self) -> float | None:
        return self.total / self.valued if self.valued else None

    @property
    def coverage(self) -> float | None:
        decided = self.scored + self.skipped + self.failed
        return self.scored / decided if decided else None

    def as_json(self) -> dict[str, Any]:
        shown = {key: value for key, value in asdict(self).items() if key not in ("judged", "valued", "total")}
        return {**shown, "pass_rate": self.pass_rate, "mean": self.mean, "coverage": self.coverage}


class Summary:
    """Figures by evaluator, in order of first appearance."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._lines = {name: Line(name) for name in names}

    def add(self, scores: Iterable[Score]) -> None:
        """Count decisions."""
        for score in scores:
            line = self._line(score.evaluator)
            setattr(line, score.status, getattr(line, score.status) + 1)
            if score.status != "scored":
                continue
            if score.passed is not None:
                line.judged += 1
                line.passed += score.passed
            if score.value is not None:
                line.valued += 1
                line.total += score.value

    def add_waiting(self, counts: Mapping[str, int]) -> None:
        """Count decisions that a judge would have to make."""
        for name, count in counts.items():
            self._line(name).waiting += count

    def lines(self) -> list[Line]:
        return list(self._lines.values())

    def _line(self, name: str) -> Line:
        return self._lines.setdefault(name, Line(name))
