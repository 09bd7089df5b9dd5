"""Type `tool_error_unhandled`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import ClassVar

from schemas.patterns import compiled
from schemas.score import Evidence, TargetKind
from schemas.trace import Span, SpanKind

from ..base import CodeEvaluator, NoOptions
from ..protocol import Answer, Context, Target, Verdict
from ..steps import Steps, is_transient
from ..text import whole_text

MAX_STEPS = 200  # how far it looks back and ahead
MIN_ANSWER_CHARS = 40
MIN_ENGLISH_WORDS = 2
MAX_QUOTE_CHARS = 160

_NOTICED = compiled(
    r"(?i)\b(?:not|no|none|nor|never|cannot|without|unable|unfortunately|however|but|although|though|sorry|apolog\w*|regret|issues?|problems?|errors?"
    r"|fail\w*|trouble|difficult\w*|invalid|incorrect|wrong|mismatch\w*|insufficient|exceed\w*|missing|unavailable|unsuccessful\w*|denied|declined"
    r"|reject\w*|expired|limit\w*|unexpected\w*|retry|again|instead|alternativ\w*|another|different|other|seems?|appears?|looks like|need\w*"
    r"|require\w*|correct\w*|adjust\w*|verify|double[- ]check\w*|confirm|clarif\w*|recalculat\w*|fix\w*|down|outage|time[d]?[- ]?out"
    r"|temporar\w*|transfer\w*|human|support|oops|only|remaining|short(?:fall)?|higher|lower|less|more than)\b|n[’']t\b"
)
_ENGLISH = compiled(r"(?i)\b(?:the|is|are|you|your|to|of|and|for|have|has|been|with|this|that|can|will|was)\b")


class ToolErrorUnhandled(CodeEvaluator[NoOptions]):
    """Fails where a tool call failed and the agent did not deal with it.

    One decision for each failed tool call (by its span or by its result). Labels: `futile_retry` (the same call with the same
    arguments failed before with the same error, while the user said nothing: it could only fail again; errors that pass by
    themselves, such as time-outs and rate limits, may be retried), `ignored` (the agent answered at once, and its answer shows
    no sign that anything went wrong), else `handled`. Whether an answer takes notice is judged by its words, in English; an
    answer in another language passes as `handled`. What the agent makes of the error afterwards is not asked.
    """

    default_context: ClassVar[Context] = "trace"
    targets: ClassVar[frozenset[TargetKind]] = frozenset(("span",))

    @classmethod
    def default_span_kinds(cls, options: NoOptions) -> frozenset[SpanKind]:
        return frozenset(("tool",))

    def evaluate(self, target: Target) -> Iterable[Answer]:
        span = target.span
        if span is None:
            return ()
        steps = Steps.of(target)
        sign = steps.failure(span)
        if sign is None:
            return ()
        before = None if is_transient(sign) else _same_failure_before(steps, span)
        if before is not None:
            return (_futile(span, before, sign.path, sign.quote),)
        answer = _answer_after(steps, span)
        if answer is not None and _takes_no_notice(answer[1]):
            return (_ignored(span, answer[0], answer[1], sign.path, sign.quote),)
        return (_HANDLED,)


_HANDLED = Verdict(value=1.0, label="handled", passed=True)


def _same_failure_before(steps: Steps, span: Span) -> Span | None:
    """The latest earlier attempt of this very call that failed in the same way, in the same turn of the user, with no other
    successful tool call in between (which may have mended the cause)."""
    key, turn, agent, result = steps.key(span), steps.turn(span), steps.agent(span), steps.result_text(span)
    if key is None:
        return None
    place = steps.position(span)
    for earlier in reversed(steps.tools[max(0, place - MAX_STEPS) : place]):
        if steps.turn(earlier) != turn:
            return None
        if steps.agent(earlier) != agent:
            continue
        if steps.failure(earlier) is None:
            if earlier.tool_name != span.tool_name and steps.result_text(earlier):
                return None
            continue
        if steps.key(earlier) == key and steps.result_text(earlier) == result and earlier.end <= span.start:
            return earlier
    return None


def _answer_after(steps: Steps, span: Span) -> tuple[Span, str] | None:
    """What the agent said next, where it said something and called no tool."""
    agent = steps.agent(span)
    for step in islice(steps.after(span), MAX_STEPS):
        if steps.agent(step) != agent:
            continue
        if step.kind == "tool":
            return None
        outputs = list(steps.trace.outputs(step))
        if any(message.tool_calls for message in outputs):
            return None
        text = "\n".join(message.content for message in outputs if message.content)
        if text:
            return step, text
    return None


def _takes_no_notice(answer: str) -> bool:
    text = whole_text(answer)
    if len(text) < MIN_ANSWER_CHARS or len(set(_ENGLISH.findall(text.lower()))) < MIN_ENGLISH_WORDS:
        return False
    return _NOTICED.search(text) is None


def _futile(span: Span, before: Span, path: str, quote: str) -> Verdict:
    name = span.tool_name or span.name
    return Verdict(
        value=0.0,
        label="futile_retry",
        passed=False,
        explanation=f"{name} was called again with the same arguments after it had failed, and failed in the same way: {quote}",
        evidence=(
            Evidence(span_id=span.span_id, path=path, quote=quote),
            Evidence(span_id=before.span_id, path=path, quote=quote),
        ),
        blamed_span_id=span.span_id,
    )


def _ignored(span: Span, answer: Span, text: str, path: str, quote: str) -> Verdict:
    return Verdict(
        value=0.0,
        label="ignored",
        passed=False,
        explanation=f"{span.tool_name or span.name} failed ({quote}), and the agent answered as if it had not",
        evidence=(
            Evidence(span_id=span.span_id, path=path, quote=quote),
            Evidence(span_id=answer.span_id, path="output_messages", quote=text[:MAX_QUOTE_CHARS]),
        ),
        blamed_span_id=span.span_id,
    )
