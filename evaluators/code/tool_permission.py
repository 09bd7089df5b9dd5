"""Type `tool_permission`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import ClassVar

from pydantic import Field

from schemas.score import Evidence, TargetKind
from schemas.settings import Section
from schemas.trace import Span, SpanKind

from ..base import CodeEvaluator
from ..consent import Call, calls_of, verbs_of, wish_before
from ..protocol import Answer, Context, Skip, Target, Verdict
from .unconfirmed_write import unwanted


class ToolPolicy(Section):
    """What an agent may call; tools are globs."""

    allowed: tuple[str, ...] | None = Field(None, description="Only these may be called; default: any.")
    forbidden: tuple[str, ...] = Field((), description="These may not, whatever `allowed` says.")
    needs_confirmation: tuple[str, ...] = Field((), description="Only after the user asked for it or agreed.")


class ToolPermissionOptions(ToolPolicy):
    agents: Mapping[str, ToolPolicy] = Field(
        {},
        description="Policies of single agents by a glob of their name: the first that matches, beside the common one.",
    )


class ToolPermission(CodeEvaluator[ToolPermissionOptions]):
    """Fails where a tool is called that the policy does not permit.

    A policy has globs of tools that are `allowed` (all others are not), `forbidden`, or in need of confirmation, for all
    agents and for single ones; a call must comply with both. The agent is the nearest named one around the call. Whether
    a user confirmed is read as in `unconfirmed_write`, and skipped where it cannot be told. Calls of the program's own
    are judged as well, except for confirmation.
    """

    Options = ToolPermissionOptions
    default_context: ClassVar[Context] = "trace"
    targets: ClassVar[frozenset[TargetKind]] = frozenset(("span",))

    @classmethod
    def default_span_kinds(cls, options: ToolPermissionOptions) -> frozenset[SpanKind]:
        return frozenset(("llm", "tool"))

    def evaluate(self, target: Target) -> Iterable[Answer]:
        span = target.span
        if span is None:
            return ()
        agent = _agent_of(target, span)
        found = [
            _judge(target, span, call, agent, policy) for call in calls_of(target) for policy in self._policies(agent)
        ]
        return (min(found, key=_rank),) if found else ()

    def _policies(self, agent: str | None) -> Iterator[ToolPolicy]:
        yield self.options
        if agent is not None:
            yield from [policy for glob, policy in self.options.agents.items() if fnmatchcase(agent, glob)][:1]


def _rank(answer: Answer) -> int:
    if isinstance(answer, Verdict):
        return 2 if answer.passed else 0
    return 1


def _judge(target: Target, span: Span, call: Call, agent: str | None, policy: ToolPolicy) -> Answer:
    who = f"agent {agent!r}" if agent else "the agent"
    if glob := _matching(call.tool, policy.forbidden):
        return _refused(span, call, "forbidden", f"{who} called {call.tool}, which the policy forbids ({glob})")
    if policy.allowed is not None and not _matching(call.tool, policy.allowed):
        listed = ", ".join(policy.allowed) or "none"
        return _refused(span, call, "not_allowed", f"{who} called {call.tool}; the policy allows {listed}")
    if call.model is not None and _matching(call.tool, policy.needs_confirmation):
        wish = wish_before(list(target.trace.inputs(call.model)), verbs_of(call.tool))
        if wish.stand in ("no_user", "unreadable"):
            return Skip(wish.stand)
        if wish.stand != "wanted":
            return unwanted(span, call, wish)
    return Verdict(value=1.0, label="permitted", passed=True)


def _refused(span: Span, call: Call, label: str, explanation: str) -> Verdict:
    path = "tool_name" if span.kind == "tool" else call.path.removesuffix(".arguments") + ".name"
    evidence = (Evidence(span_id=span.span_id, path=path, quote=call.tool),)
    return Verdict(value=0.0, label=label, passed=False, explanation=explanation, evidence=evidence)


def _matching(tool: str, globs: Iterable[str]) -> str | None:
    return next((glob for glob in globs if fnmatchcase(tool, glob)), None)


def _agent_of(target: Target, span: Span) -> str | None:
    """The name of the nearest agent around the span; a cycle of parents ends."""
    seen: set[str] = set()
    at: Span | None = span
    while at is not None and at.span_id not in seen:
        if at.agent_name:
            return at.agent_name
        seen.add(at.span_id)
        at = target.trace.by_id.get(at.parent_id or "")
    return None
