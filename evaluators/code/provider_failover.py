"""Type `provider_failover`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

from pydantic import Field

from schemas.score import Evidence, TargetKind
from schemas.settings import Section
from schemas.trace import Span, Trace

from ..base import CodeEvaluator, model_of
from ..model_names import likeness
from ..protocol import Answer, Target, Verdict
from ..steps import Steps, has_failed

MAX_EVIDENCE = 10


class ProviderFailoverOptions(Section):
    ignore_models: tuple[str, ...] = Field(
        (), description="Patterns (`gpt-4o-mini*`) of models that may take part in any conversation."
    )


class ProviderFailover(CodeEvaluator[ProviderFailoverOptions]):
    """Fails where one conversation goes on with another model or another provider than it began with.

    Compared are the model calls of one agent that continue one conversation: the same input again, or input that begins with
    the input of an earlier call. Labels: `after_failure` (the call before had failed: a fallback), `switched` (it had not).
    Agents, routers and guards that use a model of their own have conversations of their own and pass; so do dated versions and
    aliases of one model. The value counts the changes, the first call that another model answered is blamed. Where clients do
    not record messages only a fallback after a failure can be seen.
    """

    Options = ProviderFailoverOptions
    targets: ClassVar[frozenset[TargetKind]] = frozenset(("trace",))
    default_target: ClassVar[TargetKind] = "trace"

    def evaluate(self, target: Target) -> Iterable[Answer]:
        steps = Steps.of(target)
        if not steps.models:
            return ()
        changes = [
            change
            for thread in _threads(steps)
            for change in _changes([span for span in thread if not self._is_ignored(span)])
        ]
        if not changes:
            return (_STEADY,)
        return (_changed(min(changes, key=lambda c: (c.after.start, c.after.span_id)), len(changes)),)

    def _is_ignored(self, span: Span) -> bool:
        model = model_of(span) or ""
        return any(fnmatchcase(model, pattern) for pattern in self.options.ignore_models)


class _Change(NamedTuple):
    before: Span
    after: Span
    what: str


_STEADY = Verdict(value=0.0, label="steady", passed=True)


def _threads(steps: Steps) -> Iterator[list[Span]]:
    """Model calls by conversation: the agent and the messages that it begins with."""
    found: dict[Any, list[Span]] = {}
    for span in steps.models:
        if span.response_model is None and span.request_model is None and span.provider is None:
            continue
        opening = _opening(steps.trace, span)
        found.setdefault((steps.agent(span), span.agent_name, opening), []).append(span)
    for (_, _, opening), spans in found.items():
        if opening is not None:
            yield spans
        else:  # nothing tells conversations apart: only what follows a failure at once belongs together
            yield from ([one, other] for one, other in pairwise(spans) if has_failed(one) and other.start >= one.end)


def _opening(trace: Trace, span: Span) -> tuple[str, ...] | None:
    """System prompt and first message of the user: what every later call of the conversation begins with."""
    opening: list[str] = []
    for digest in span.input_messages:
        opening.append(digest)
        message = trace.messages.get(digest)
        if message is not None and message.role == "user":
            return tuple(opening)
    return tuple(opening) if opening else None


def _changes(thread: list[Span]) -> Iterator[_Change]:
    """The first call that another model or provider answered than the conversation has, if any."""
    base: str | None = None
    provider: str | None = None
    previous: Span | None = None
    for span in thread:
        if previous is not None and not _continues(previous, span):
            continue
        model, asked = model_of(span), span.request_model
        if base is None and asked and span.response_model and likeness(asked, span.response_model) == "other_model":
            yield _Change(previous or span, span, f"from {asked} to {span.response_model}")
            return
        if base and model and likeness(base, model) == "other_model":
            yield _Change(previous or span, span, f"from {base} to {model}")
            return
        if provider and span.provider and provider.lower() != span.provider.lower():
            yield _Change(previous or span, span, f"from {provider} to {span.provider}")
            return
        base, provider, previous = base or model, provider or span.provider, span


def _continues(previous: Span, span: Span) -> bool:
    """Whether a call goes on where another ended. A call beside it or inside it reports the same call or a comparison of
    models, and so does the same input again after a success."""
    if span.start < previous.end or span.parent_id == previous.span_id:
        return False
    return has_failed(previous) or not span.input_messages or span.input_messages != previous.input_messages


def _changed(change: _Change, count: int) -> Verdict:
    failed = has_failed(change.before)
    why = f" after {change.before.name} failed ({_reason(change.before)})" if failed else ", though no call had failed"
    return Verdict(
        value=float(count),
        label="after_failure" if failed else "switched",
        passed=False,
        explanation=f"the conversation changed {change.what}{why}",
        evidence=(
            Evidence(span_id=change.after.span_id, path="response_model", quote=model_of(change.after) or ""),
            Evidence(span_id=change.before.span_id, path="response_model", quote=model_of(change.before) or ""),
        ),
        blamed_span_id=change.after.span_id,
    )


def _reason(span: Span) -> str:
    return (span.status_message or span.error_type or "error")[:120]
