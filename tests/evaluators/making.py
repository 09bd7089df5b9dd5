"""Traces and suites by hand."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from evaluators.build import build_suite
from evaluators.run import Decided, Suite
from schemas.ids import plain_digest
from schemas.score import DecisionKey, Score
from schemas.settings import parse_settings
from schemas.trace import Message, Span, ToolCall, Trace, Usage

START = datetime(2026, 1, 1, tzinfo=UTC)
WEATHER: Mapping[str, Any] = {
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def suite_of(evaluators: str, *, file: str = "evalstream.yaml", more: str = "") -> Suite:
    """A suite from the YAML of `evaluators`, in flow or block style."""
    settings, source = parse_settings(f"{more}\nevaluators: {evaluators}\n", file, {})
    return build_suite(settings, source)


def decide(suite: Suite, trace: Trace, known: Container[DecisionKey] = frozenset()) -> Decided:
    return suite.decide(trace, known, source=None, event_time=START, now=START)


def scores_of(evaluators: str, trace: Trace, *, more: str = "", folder: Path | None = None) -> list[Score]:
    """The scores of a suite that is thrown away."""
    suite = suite_of(evaluators, more=more, file=str(folder / "evalstream.yaml") if folder else "evalstream.yaml")
    try:
        return decide(suite, trace).scores
    finally:
        suite.close()


def score_of(evaluator: str, trace: Trace, *, more: str = "", folder: Path | None = None) -> Score:
    """The only score of the only evaluator, written as a YAML flow mapping."""
    found = scores_of(f"[{evaluator}]", trace, more=more, folder=folder)
    assert len(found) == 1, found
    return found[0]


class Writer:
    """Builds a trace span by span; each span starts a second after the one before and lasts half of one."""

    def __init__(self, trace_id: str = "t1", **fields: Any) -> None:
        self._fields = {"trace_id": trace_id, "project": "shop", "environment": "test", **fields}
        self._spans: list[Span] = []
        self._messages: dict[str, Message] = {}
        self._tool_sets: dict[str, tuple[Mapping[str, Any], ...]] = {}

    def llm(
        self,
        output: str = "",
        *,
        input: str = "",
        calls: Sequence[ToolCall] = (),
        tools: Sequence[Mapping[str, Any]] = (),
        usage: tuple[int, int] | None = None,
        **fields: Any,
    ) -> Writer:
        """A model call."""
        if tools:
            self._tool_sets[plain_digest(tools)] = tuple(tools)
        return self.span(
            "llm",
            input_messages=self._message("user", input) if input else (),
            output_messages=self._message("assistant", output, calls) if output or calls else (),
            tool_set=plain_digest(tools) if tools else None,
            usage=Usage(input_tokens=usage[0], output_tokens=usage[1]) if usage else None,
            **fields,
        )

    def tool(self, name: str = "weather", *, arguments: Any = None, result: Any = None, **fields: Any) -> Writer:
        """A tool call."""
        return self.span("tool", tool_name=name, arguments=arguments, result=result, **fields)

    def span(self, kind: Any, **fields: Any) -> Writer:
        index = len(self._spans)
        start = fields.pop("start", START + timedelta(seconds=index))
        span = Span(
            span_id=fields.pop("span_id", f"s{index}"),
            name=fields.pop("name", kind),
            kind=kind,
            start=start,
            end=fields.pop("end", start + timedelta(seconds=0.5)),
            **fields,
        )
        self._spans.append(span.model_copy(update={"digest": _digest(span)}))
        return self

    def trace(self, **fields: Any) -> Trace:
        digests = sorted((span.span_id, span.digest) for span in self._spans)
        return Trace(
            spans=tuple(self._spans),
            messages=self._messages,
            tool_sets=self._tool_sets,
            fingerprint=plain_digest(digests),
            revision=len(digests),
            **(self._fields | fields),
        )

    def _message(self, role: Any, content: str, calls: Sequence[ToolCall] = ()) -> tuple[str]:
        digest = plain_digest([role, content, [call.model_dump() for call in calls]])
        self._messages[digest] = Message(digest=digest, role=role, content=content, tool_calls=tuple(calls))
        return (digest,)


def said(output: str, **fields: Any) -> Trace:
    """A trace of one model call."""
    return Writer().llm(output, **fields).trace()


def returned(result: Any, **fields: Any) -> Trace:
    """A trace of one tool call."""
    return Writer().tool(result=result, **fields).trace()


def _digest(span: Span) -> str:
    try:
        return plain_digest(repr(span))
    except RecursionError:
        return plain_digest(span.span_id)
