"""What an evaluator is.

An evaluator is a pure function of (target, options, profile): the same target gives the same verdicts, on every
worker and on every repetition. Fast ones (`lane = "inline"`) answer in the evaluate worker. Slow or heavy ones
(`lane = "deferred"`: LLM judges, embeddings) say there what they want to see, as a `View`; the judge worker answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from schemas.judge_request import View
from schemas.profile import Profiles
from schemas.score import Evidence, TargetKind
from schemas.trace import Session, Span, SpanKind, Trace

Lane = Literal["inline", "deferred"]
Context = Literal["span", "trace"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Target:
    """What is evaluated: a span of a trace, a trace, or a session (then `trace` is its newest trace).

    `memo` is shared by all targets of one trace while it is decided: what is worked out once for the trace (which call
    belongs to which tool span) is kept there. It is no channel between evaluators: one key, one builder. `profiles` is
    what was learned across traces, see `evaluators.profiles`.
    """

    trace: Trace
    span: Span | None = None
    session: Session | None = None
    memo: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)
    profiles: Profiles = field(default_factory=dict, compare=False, repr=False)

    def once(self, key: str, build: Callable[[Trace], T]) -> T:
        """What `build` makes of the trace, made once for all targets of it."""
        if key not in self.memo:
            self.memo[key] = build(self.trace)
        return self.memo[key]  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an evaluator says of one target.

    `value` is in [0, 1] or in a unit; `passed` is None where there is no such thing as failing. `decision` names which
    of the evaluator's decisions this is, when it makes several. `vector` goes to the monitor and is not stored.
    `profile_version` names the profile that it rests on.
    """

    value: float | None = None
    label: str | None = None
    passed: bool | None = None
    explanation: str = ""
    evidence: tuple[Evidence, ...] = ()
    blamed_span_id: str | None = None
    decision: str | None = None
    cost_usd: float | None = None
    latency_s: float | None = None
    model: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    vector: tuple[float, ...] | None = None
    profile_version: str | None = None


@dataclass(frozen=True, slots=True)
class Skip:
    """The evaluator applies, and cannot say anything: a recorded `skipped` with this reason."""

    reason: str
    decision: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """The evaluator was to answer and could not: a recorded `failed` with the type of the error."""

    error_type: str
    message: str = ""
    decision: str | None = None
    cost_usd: float | None = None
    latency_s: float | None = None
    model: str | None = None


Answer = Verdict | Skip | Failure


class Evaluator(Protocol):
    """What the runner knows of every evaluator.

    `decisions` are the names under which its verdicts are stored: one, equal to `name`, for most. An inline evaluator
    that returns nothing for a target says that it does not apply.
    """

    name: str
    version: str
    kind: Literal["code", "llm"]
    target: TargetKind
    span_kinds: frozenset[SpanKind]
    lane: Lane
    context: Context
    needs_complete: bool
    decisions: tuple[str, ...]


@runtime_checkable
class InlineEvaluator(Evaluator, Protocol):
    """Answers at once, from what is in memory. Must not mutate the target, block, or read a clock."""

    def evaluate(self, target: Target) -> Iterable[Answer]: ...


@runtime_checkable
class DeferredEvaluator(Evaluator, Protocol):
    """Answers later, in the judge worker."""

    def view(self, target: Target) -> View | Skip | None:
        """What of the target shall be judged; None when it does not apply. Pure, in the evaluate worker."""
        ...

    async def judge(self, views: Sequence[View], deadline_s: float) -> list[list[Answer]]:
        """One list of answers (one per decision) for each view, in order. Never raises for a bad view or provider."""
        ...
