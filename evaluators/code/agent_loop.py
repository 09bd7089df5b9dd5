"""Type `agent_loop`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

from pydantic import Field

from schemas.score import Evidence, TargetKind
from schemas.settings import Section
from schemas.trace import Span

from ..base import CodeEvaluator
from ..protocol import Answer, Target, Verdict
from ..steps import Steps

MAX_PERIOD = 4
MAX_EVIDENCE = 10
MAX_QUOTE_CHARS = 160
EXTRA_ROUNDS_OF_SILENT_CALLS = 2  # scrolling down three times is no loop
EXTRA_ROUNDS_OF_POLLING = 17  # a job is asked for its state until it is done
_ACKNOWLEDGEMENTS = frozenset(("", "null", "none", "ok", "true", "done", "success", '"ok"', '""', "{}"))


class AgentLoopOptions(Section):
    min_rounds: int = Field(3, ge=2, description="So many rounds of the same calls, one after the other, are a loop.")
    max_period: int = Field(MAX_PERIOD, ge=1, le=16, description="Longest cycle of different calls that is looked for.")


class AgentLoop(CodeEvaluator[AgentLoopOptions]):
    """Fails where an agent goes in circles: the same tool call, or the same cycle of calls, again and again.

    Compared are tool, arguments and result, within one agent's work on one message of the user; free text in arguments is
    compared by its words, so that rephrasing by case, order or punctuation is a repetition, while identifiers, numbers and
    dates are compared exactly: looking up one record after the other is no loop. Calls without arguments, or whose result
    only acknowledges (`ok`, nothing), need two rounds more; repeats whose results change (polling) need 20. The value counts
    the calls that the longest loop repeats in vain, its first call is blamed (the failing one, where some fail).
    """

    Options = AgentLoopOptions
    targets: ClassVar[frozenset[TargetKind]] = frozenset(("trace",))
    default_target: ClassVar[TargetKind] = "trace"

    def evaluate(self, target: Target) -> Iterable[Answer]:
        steps = Steps.of(target)
        if not steps.tools:
            return ()
        longest: _Loop | None = None
        for calls in _stretches(steps):
            for found in self._loops(calls):
                if longest is None or found.repeated > longest.repeated:
                    longest = found
        return (_NONE,) if longest is None else (_looping(steps, longest),)

    def _loops(self, calls: Sequence[_Call]) -> Iterator[_Loop]:
        options = self.options
        for period in range(1, options.max_period + 1):
            if len(calls) < options.min_rounds * period:
                return
            for start, end in _runs([call.key for call in calls], period):
                loop = _Loop(calls[start:end], period)
                if loop.rounds >= options.min_rounds + loop.patience and (period == 1 or loop.is_cycle):
                    yield loop


class _Call(NamedTuple):
    span: Span
    key: Any
    result: str | None


class _Loop(NamedTuple):
    calls: Sequence[_Call]
    period: int

    @property
    def rounds(self) -> int:
        return len(self.calls) // self.period

    @property
    def repeated(self) -> int:
        return len(self.calls) - self.period

    @property
    def is_cycle(self) -> bool:
        """Whether the round is no repetition of a shorter one."""
        return len({call.key for call in self.calls[: self.period]}) > 1

    @property
    def patience(self) -> int:
        """Rounds beyond the usual that may pass."""
        if any(one.result != other.result for one, other in zip(self.calls, self.calls[self.period :], strict=False)):
            return EXTRA_ROUNDS_OF_POLLING
        if all(_is_silent(call) for call in self.calls[: self.period]):
            return EXTRA_ROUNDS_OF_SILENT_CALLS
        return 0


_NONE = Verdict(value=0.0, label="none", passed=True)


def _stretches(steps: Steps) -> Iterator[list[_Call]]:
    """The tool calls of each agent while it works on one message of the user."""
    found: dict[Any, list[_Call]] = {}
    for span in steps.tools:
        key = steps.key(span)
        group = found.setdefault((steps.agent(span), steps.turn(span)), [])
        # A call whose arguments are not told is like no other.
        group.append(_Call(span, key if key is not None else span.span_id, steps.result_text(span)))
    yield from found.values()


def _runs(keys: Sequence[Any], period: int) -> Iterator[tuple[int, int]]:
    """Longest stretches in which every key equals the one a period before it."""
    start = 0
    for index in range(period, len(keys) + 1):
        if index == len(keys) or keys[index] != keys[index - period]:
            if index - start > period:
                yield start, index
            start = index - period + 1


def _is_silent(call: _Call) -> bool:
    return not call.span.arguments or (call.result or "").strip().lower() in _ACKNOWLEDGEMENTS


def _looping(steps: Steps, loop: _Loop) -> Verdict:
    round_ = loop.calls[: loop.period]
    failing = next((call.span for call in round_ if steps.failure(call.span) is not None), None)
    blamed = failing or round_[0].span
    names = [call.span.tool_name or call.span.name for call in round_]
    what = f"{names[0]} is called" if loop.period == 1 else f"the cycle {' → '.join(names)} is run"
    ending = "fails with the same error each time" if failing is not None else "brings nothing new"
    return Verdict(
        value=float(loop.repeated),
        label="repeated_call" if loop.period == 1 else f"cycle_of_{loop.period}",
        passed=False,
        explanation=f"{what} {loop.rounds} times with the same arguments, and {ending}",
        evidence=tuple(
            Evidence(span_id=call.span.span_id, path="arguments", quote=str(call.key[1])[:MAX_QUOTE_CHARS])
            for call in loop.calls[:MAX_EVIDENCE]
        ),
        blamed_span_id=blamed.span_id,
        attributes={"period": loop.period, "rounds": loop.rounds},
    )
