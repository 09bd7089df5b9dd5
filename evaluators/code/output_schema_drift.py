"""Type `output_schema_drift`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple

from schemas.score import TargetKind
from schemas.trace import Span, SpanKind, Trace

from ..profiles.content import parsed
from ..profiles.drifting import SchemaDrift, SchemaDriftOptions
from ..profiles.evaluator import Observed
from ..profiles.shape import shape_of, written
from ..protocol import Answer, Target
from ..steps import Steps

_FENCE = "```"


class OutputSchemaDrift(SchemaDrift):
    """Fails where a model's JSON answer is shaped otherwise than the answers to the same prompt usually are.

    Learned for each prompt name, else agent, else name of the call: which keys the answers have and of which types the values
    are, with the labels and limits of `tool_result_schema_drift`. Answers that are no JSON object or list are no targets (see
    `json_validity`), and neither are tool calls (see `tool_call_schema_valid`).
    """

    targets: ClassVar[frozenset[TargetKind]] = frozenset(("span",))

    @classmethod
    def default_span_kinds(cls, options: SchemaDriftOptions) -> frozenset[SpanKind]:
        return frozenset(("llm",))

    def observe(self, target: Target) -> Iterable[Observed]:
        span = target.span
        found = _answer(target.trace, span)
        if span is None or found is None:
            return ()
        return (Observed(subject_of(target, span), written(shape_of(found.value))),)

    def evaluate(self, target: Target) -> Iterable[Answer]:
        span = target.span
        found = _answer(target.trace, span)
        if span is None or found is None:
            return ()
        subject = subject_of(target, span)
        return (self.judge(span, f"the answer of {subject}", found.value, found.path, self.profile(target, subject)),)


class _Answer(NamedTuple):
    value: Any
    path: str


def subject_of(target: Target, span: Span) -> str:
    """What a model call is for: its prompt's name, else the agent around it, else its own name."""
    if span.prompt_name:
        return span.prompt_name
    agent = target.trace.by_id.get(Steps.of(target).agent(span))
    return span.agent_name or (agent.agent_name or agent.name if agent is not None else span.name)


def _answer(trace: Trace, span: Span | None) -> _Answer | None:
    if span is None or span.truncated or span.status == "error":
        return None
    for index, message in enumerate(trace.outputs(span)):
        text = _without_fence(message.content.strip())
        if text[:1] in ("{", "["):
            value = parsed(text)
            if isinstance(value, dict | list) and value:
                return _Answer(value, f"output_messages[{index}].content")
    return None


def _without_fence(text: str) -> str:
    if not text.startswith(_FENCE) or not text.endswith(_FENCE) or "\n" not in text:
        return text
    return text[text.index("\n") + 1 : -len(_FENCE)].strip()
