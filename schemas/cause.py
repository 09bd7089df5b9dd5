"""Why a level changed, as far as the traces on record tell."""

from __future__ import annotations

from typing import Literal

from .base import Record

CauseKind = Literal["app", "traffic", "judge"]


class GroupShift(Record):
    """One value of a factor: its share of the traces and their mean score, before the change and after it."""

    value: str
    share_before: float
    share_after: float
    mean_before: float | None = None
    mean_after: float | None = None


class Effect(Record):
    """How much of a change one factor accounts for, in the unit of the score.

    `composition`: by other shares of its values; `within`: by other scores of the same values. They sum to the difference. `low`, `high`: a 90 % interval of `composition`.
    """

    factor: str
    kind: CauseKind
    composition: float
    within: float
    low: float
    high: float
    groups: tuple[GroupShift, ...] = ()


class Cause(Record):
    """Which explanation fits. `unclear`: none of those that could be looked at, or several at once."""

    verdict: Literal["app", "traffic", "judge", "unclear"]
    factor: str | None = None
    explanation: str
    difference: float | None = None
    traces_before: int = 0
    traces_after: int = 0
    effects: tuple[Effect, ...] = ()
