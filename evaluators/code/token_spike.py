"""Type `token_spike`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import ClassVar

from pydantic import Field

from schemas.score import Evidence, TargetKind
from schemas.settings import Section
from schemas.trace import Span, Trace

from ..base import CodeEvaluator
from ..protocol import Answer, Skip, Target, Verdict
from ..steps import Steps
from ..usage import MAX_TOKENS

MIN_OTHERS = 2
MAX_QUOTE_CHARS = 160


class TokenSpikeOptions(Section):
    min_ratio: float = Field(4.0, gt=1, description="So many times the tokens of the trace's other calls are a spike.")
    min_tokens: int = Field(8_000, ge=0, description="A call must read at least so many tokens more than the others.")


class TokenSpike(CodeEvaluator[TokenSpikeOptions]):
    """Fails where one model call reads far more tokens than the agent's calls before it.

    A conversation grows little by little; a spike is a jump, above `min_ratio` times both the median of the agent's earlier calls
    and the call before, and by at least `min_tokens`: a tool that returned a whole file, a context that was put in twice. The
    value is the ratio to the call before, the first call with the jump is blamed, the evidence quotes the largest message that
    is new in it. Tokens read from a cache count: they are in the context. Traces with fewer than three calls that report their
    usage are skipped.
    """

    Options = TokenSpikeOptions
    targets: ClassVar[frozenset[TargetKind]] = frozenset(("trace",))
    default_target: ClassVar[TargetKind] = "trace"

    def evaluate(self, target: Target) -> Iterable[Answer]:
        steps = Steps.of(target)
        if not steps.models:
            return ()
        groups: dict[str, list[Span]] = {}
        for span in steps.models:
            if _read(span):
                groups.setdefault(steps.agent(span), []).append(span)
        spans = [group for group in groups.values() if len(group) > MIN_OTHERS]
        if not spans:
            return (Skip("too_few_calls"),)
        for group in spans:
            for index in range(1, len(group)):
                if self._jumps(group, index):
                    return (_spike(target.trace, group[index - 1], group[index]),)
        return (_EVEN,)

    def _jumps(self, group: Sequence[Span], index: int) -> bool:
        now, before, options = _read(group[index]), _read(group[index - 1]), self.options
        if now - before < options.min_tokens or now < options.min_ratio * before:
            return False
        usual = median(_read(span) for span in group[:index])
        return now >= options.min_ratio * usual and now - usual >= options.min_tokens


_EVEN = Verdict(value=1.0, label="even", passed=True)


def _read(span: Span) -> int:
    tokens = span.usage.input_tokens if span.usage is not None else None
    return tokens if tokens is not None and 0 < tokens <= MAX_TOKENS else 0


def _spike(trace: Trace, before: Span, span: Span) -> Verdict:
    known = set(before.input_messages) | set(before.output_messages)
    new = [(i, trace.messages[d]) for i, d in enumerate(span.input_messages) if d not in known and d in trace.messages]
    index, message = max(new, key=lambda item: len(item[1].content), default=(None, None))
    evidence = [Evidence(span_id=span.span_id, path="usage.input_tokens", quote=str(_read(span)))]
    cause = ""
    if message is not None:
        path = f"input_messages[{index}].content"
        evidence.append(Evidence(span_id=span.span_id, path=path, quote=message.content[:MAX_QUOTE_CHARS]))
        cause = f"; the largest new message ({message.role}) has {len(message.content)} characters"
    return Verdict(
        value=_read(span) / _read(before),
        label="spike",
        passed=False,
        explanation=f"{span.name} read {_read(span)} tokens, the call before it {_read(before)}{cause}",
        evidence=tuple(evidence),
        blamed_span_id=span.span_id,
    )
