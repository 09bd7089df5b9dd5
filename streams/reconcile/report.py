"""What a reconciliation found: every item counted once by what accounts for it, and each missing one told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

Check = Literal["records", "spans", "decisions", "verdicts", "sessions", "feedback", "measurements"]
Account = Literal[
    "stored", "dead_letter", "in_flight", "replaced", "deleted", "beyond_retention", "before_version", "missing"
]
"""What accounts for an item.

stored
    It is where it belongs.
dead_letter
    Its record, or its trace, stands in the dead letters.
in_flight
    The component that is to work on it has not come past it.
replaced
    A version of the span that ended later, or has the larger digest, stands in its place.
deleted
    A tombstone says so.
beyond_retention
    The topic no longer holds what would show it.
before_version
    The trace was stored before the evaluator had this version: `evalstream replay` makes the decision.
missing
    Nothing does.
"""

ACCOUNTS: tuple[Account, ...] = get_args(Account)

Reason = Literal[
    "record_lost",
    "span_lost",
    "decision_lost",
    "verdict_lost",
    "request_lost",
    "session_lost",
    "feedback_lost",
    "measurement_lost",
    "measured_twice",
    "measured_unasked",
    "not_counted",
    "count_differs",
]


@dataclass(frozen=True, slots=True)
class Missing:
    """An item that nothing accounts for; `topic`, `partition`, `offset` say which record tells of it."""

    check: Check
    reason: Reason
    trace_id: str | None = None
    span_id: str | None = None
    evaluator: str | None = None
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    detail: str = ""

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value not in (None, "")}


@dataclass
class Report:
    """Counts by check and account, and by reason; `on_missing` hears of each missing item as it is found."""

    on_missing: Callable[[Missing], None] = lambda _: None
    counts: Counter[tuple[Check, Account]] = field(default_factory=Counter)
    reasons: Counter[tuple[Check, Reason]] = field(default_factory=Counter)

    def add(self, check: Check, account: Account, count: int = 1) -> None:
        if count:
            self.counts[check, account] += count

    def miss(self, missing: Missing) -> None:
        self.counts[missing.check, "missing"] += 1
        self.reasons[missing.check, missing.reason] += 1
        self.on_missing(missing)

    @property
    def missing(self) -> int:
        """How many items nothing accounts for."""
        return sum(self.reasons.values())

    def as_json(self) -> dict[str, Any]:
        checks: dict[str, dict[str, int]] = {}
        for (check, account), count in sorted(self.counts.items()):
            checks.setdefault(check, {})[account] = count
        reasons: Counter[str] = Counter()
        for (_, reason), count in self.reasons.items():
            reasons[reason] += count
        return {"missing": self.missing, "reasons": dict(sorted(reasons.items())), "checks": checks}
