"""Faults of other kinds than the recorded set has, put into each recorded run: the step at fault is named, and no other."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from schemas.trace import Span, Trace, Usage
from tests.evaluators.code.recorded import runs
from tests.evaluators.making import decide, suite_of
from tests.schemas.recorded import needs_shared

pytestmark = needs_shared
Faulty = tuple[Trace, Span] | None
LOST = "Error: upstream timeout"


def changed(trace: Trace, span: Span, **fields: Any) -> Faulty:
    spans = tuple(s.model_copy(update=fields) if s.span_id == span.span_id else s for s in trace.spans)
    return trace.model_copy(update={"spans": spans}), span


def a_tool(trace: Trace, chance: random.Random) -> Span | None:
    """A tool call that returned JSON."""
    found = [s for s in trace.spans if s.kind == "tool" and str(s.result)[:1] in "[{" and len(s.result) > 30]
    return chance.choice(found) if found else None


def a_model_call(trace: Trace, chance: random.Random) -> Span:
    """Not the first one."""
    return chance.choice(sorted((s for s in trace.spans if s.kind == "llm"), key=lambda s: s.start)[1:])


def rewritten(rewrite: Callable[[str], str]) -> Callable[[Trace, random.Random], Faulty]:
    def fault(trace: Trace, chance: random.Random) -> Faulty:
        span = a_tool(trace, chance)
        return changed(trace, span, result=rewrite(span.result)) if span is not None else None

    return fault


def answered(**fields: Any) -> Callable[[Trace, random.Random], Faulty]:
    return lambda trace, chance: changed(trace, a_model_call(trace, chance), **fields)


def spike(trace: Trace, chance: random.Random) -> Faulty:
    span = a_model_call(trace, chance)
    tokens = (span.usage.input_tokens or 0) if span.usage is not None else 0
    return changed(trace, span, usage=Usage(input_tokens=tokens * 8 + 8_000, output_tokens=5))


def storm(trace: Trace, chance: random.Random) -> Faulty:
    """Four failing attempts before a tool call that succeeds."""
    span = a_tool(trace, chance)
    if span is None:
        return None
    attempts, later = [], timedelta()
    for index in range(4):
        at = {"start": span.start + later, "end": span.start + later + timedelta(seconds=0.1)}
        attempts.append(span.model_copy(update={"span_id": f"try{index}", "result": LOST, **at}))
        later += timedelta(seconds=1 + index)
    rest = [
        s.model_copy(update={"start": s.start + later, "end": s.end + later}) if s.start >= span.start else s
        for s in trace.spans
    ]
    return trace.model_copy(update={"spans": (*rest, *attempts)}), attempts[0]


FAULTS: dict[str, tuple[str, Callable[[Trace, random.Random], Faulty]]] = {
    "a lost bracket": ("tool_result_malformed", rewritten(lambda text: text[:-1])),
    "a lost beginning": ("tool_result_malformed", rewritten(lambda text: text[len(text) // 3 :])),
    "a lost comma": ("tool_result_malformed", rewritten(lambda text: text.replace('", "', '" "', 1))),
    "a mark": ("tool_result_partial", rewritten(lambda text: text[: len(text) // 2] + "... [truncated]")),
    "a page": ("tool_error_as_success", rewritten(lambda _: "<html><title>504 Gateway Time-out</title></html>")),
    "a dead host": (
        "tool_error_as_success",
        rewritten(lambda _: "dial tcp 10.0.0.1:5432: connect: connection refused"),
    ),
    "a storm": ("retry_storm", storm),
    "a spike": ("token_spike", spike),
    "a small model": ("model_mismatch", answered(response_model="gpt-3.5-turbo-0125")),
    "a fallback": (
        "provider_failover",
        answered(request_model="claude-opus-4", response_model="claude-opus-4-20250514", provider="anthropic"),
    ),
    "a limit": (
        "rate_limited",
        answered(status="error", error_type="RateLimitError", status_message="Error code: 429"),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_found_in_every_run(fault: str) -> None:
    evaluator, put = FAULTS[fault]
    suite, chance, found, made = suite_of(f"[{{type: {evaluator}}}]"), random.Random(fault), 0, 0
    for trace in runs("airline_dev"):
        before = {score.blamed_span_id for score in decide(suite, trace).scores if score.passed is False}
        faulty = put(trace, chance)
        if faulty is not None:
            made += 1
            after = {s.blamed_span_id for s in decide(suite, faulty[0]).scores if s.passed is False} - before
            found += faulty[1].span_id in after
            assert len(after) <= (4 if fault == "a storm" else 1)
    assert made > 75 and found >= 0.97 * made, (found, made)
