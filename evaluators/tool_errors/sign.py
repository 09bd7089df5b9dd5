"""What the rules say of a result."""

from __future__ import annotations

from typing import NamedTuple


class ErrorSign(NamedTuple):
    """A sign of failure: its class, how sure the rule is (0 to 1, set by judgement), and where it stands."""

    label: str
    probability: float
    quote: str = ""
    path: str = ""
