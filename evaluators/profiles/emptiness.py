"""How often a tool answers with something, and in which ways with nothing."""

from __future__ import annotations

from typing import Any

FULL = ("record", "list", "text", "value")
EMPTY = ("nothing", "no_items", "no_keys")
KINDS = (*FULL, *EMPTY)
WINDOW = 1_000
FEW = 16
"""What was seen so seldom is told at once: each time weighs."""


def kind_of(value: Any) -> str:
    """`record`, `list`, `text` or `value`; or how it is empty: `nothing` (no result, `null`, blank text), `no_items` (`[]`),
    `no_keys` (`{}`)."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return "text" if value.strip() else "nothing"
    if isinstance(value, dict):
        return "record" if value else "no_keys"
    if isinstance(value, list | tuple):
        return "list" if value else "no_items"
    return "value"


class EmptinessLearner:
    """Counts the kinds of a tool's answers."""

    def __init__(self, state: Any = None) -> None:
        self.counts: dict[str, int] = dict(state or {})

    def learn(self, body: str) -> bool:
        if body not in KINDS:
            raise ValueError(f"no kind of answer: {body[:20]!r}")
        self.counts[body] = self.counts.get(body, 0) + 1
        rare = self.counts[body] <= FEW
        if sum(self.counts.values()) >= WINDOW:
            self.counts = {kind: number // 2 for kind, number in self.counts.items() if number > 1}
        return rare and len(self.counts) > 1

    def profile(self) -> dict[str, Any]:
        return dict(sorted(self.counts.items()))

    def state(self) -> Any:
        return self.counts
