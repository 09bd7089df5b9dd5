"""Type `retry_storm`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from pydantic import Field

from schemas.score import Evidence, TargetKind
from schemas.settings import Section
from schemas.trace import Span

from ..base import CodeEvaluator
from ..protocol import Answer, Target, Verdict
from ..steps import Steps, has_failed

MAX_EVIDENCE = 10
MAX_QUOTE_CHARS = 160


class RetryStormOptions(Section):
    min_failures: int = Field(3, ge=2, description="So many failed attempts of one call in a row are a storm.")
    max_gap_s: float = Field(60.0, gt=0, description="Attempts further apart than this are no retries of each other.")


class RetryStorm(CodeEvaluator[RetryStormOptions]):
    """Fails where one call is attempted again and again within a short time and keeps failing.

    A storm is a row of attempts, one after the other, of the same model call (same input, same agent) or the same tool call
    (same arguments), of which at least `min_failures` fail: by span status, by an error in the result, or, for model calls,
    by no answer at all. The value counts the failures of the longest storm, whose first attempt is blamed. Repeats that
    succeed are `agent_loop`. A client's own retry is one span everywhere, and visible only as latency (`latency`,
    `latency_critical_path`): here count the attempts that the agent, the framework or a gateway makes as spans.
    """

    Options = RetryStormOptions
    targets: ClassVar[frozenset[TargetKind]] = frozenset(("trace",))
    default_target: ClassVar[TargetKind] = "trace"

    def evaluate(self, target: Target) -> Iterable[Answer]:
        steps = Steps.of(target)
        if not steps.ordered:
            return ()
        storm: list[Span] = []
        for spans, describe in ((steps.models, _model_attempt), (steps.tools, _tool_attempt)):
            for found in self._storms(steps, spans, describe):
                if len(found) > len(storm):
                    storm = found
        if not storm:
            return (_CALM,)
        return (_storm(steps, storm),)

    def _storms(self, steps: Steps, spans: list[Span], describe: Any) -> Iterator[list[Span]]:
        """The failed attempts of each storm."""
        runs: dict[Any, tuple[Span, list[Span]]] = {}
        for span in spans:
            key, failed = describe(steps, span)
            if key is None:
                continue
            last, failures = runs.get(key, (None, []))
            if last is not None and not 0 <= (span.start - last.end).total_seconds() <= self.options.max_gap_s:
                if span.start < last.end and span.end <= last.end:
                    continue  # a span inside the attempt, or beside it
                failures = []
            if failed:
                failures.append(span)
            runs[key] = (span, failures if failed else [])
            if len(failures) >= self.options.min_failures:
                yield failures


_CALM = Verdict(value=0.0, label="none", passed=True)


def _model_attempt(steps: Steps, span: Span) -> tuple[Any, bool]:
    failed = has_failed(span)
    if not failed and not span.output_messages and span.input_messages:
        # No answer, where this trace tells answers, and no tokens of one.
        tells = any(model.output_messages for model in steps.models)
        failed = tells and not (span.usage is not None and span.usage.output_tokens)
    return ("llm", steps.agent(span), span.input_messages, span.input_messages or span.name), failed


def _tool_attempt(steps: Steps, span: Span) -> tuple[Any, bool]:
    key = steps.key(span)
    if key is None:
        key = (span.tool_name or span.name, None) if has_failed(span) else None  # type: ignore[assignment]
    return (None if key is None else ("tool", steps.agent(span), key)), steps.failure(span) is not None


def _storm(steps: Steps, failures: list[Span]) -> Verdict:
    first, last = failures[0], failures[-1]
    seconds = (last.end - first.start).total_seconds()
    return Verdict(
        value=float(len(failures)),
        label=first.tool_name or first.name,
        passed=False,
        explanation=f"{first.name} failed {len(failures)} times in a row within {seconds:.1f} s: {_why(steps, first)}",
        evidence=tuple(
            Evidence(span_id=span.span_id, path="status" if has_failed(span) else "result", quote=_why(steps, span))
            for span in failures[:MAX_EVIDENCE]
        ),
        blamed_span_id=first.span_id,
    )


def _why(steps: Steps, span: Span) -> str:
    if span.kind == "tool":
        sign = steps.failure(span)
        return sign.quote[:MAX_QUOTE_CHARS] if sign is not None else ""
    return (span.status_message or span.error_type or "no answer")[:MAX_QUOTE_CHARS]
