"""Runs written by hand, step by step, for the evaluators that look at sequences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from evaluators.build import build_suite
from schemas.score import Score
from schemas.settings import parse_settings
from schemas.trace import Message, Span, ToolCall, Trace, Usage
from tests.evaluators.code.recorded import labels, runs
from tests.evaluators.making import START, decide, suite_of


class Run:
    """A conversation of one agent; every step starts when the one before has ended."""

    def __init__(self, *, agent: str = "root") -> None:
        self.spans: list[Span] = []
        self.messages: dict[str, Message] = {}
        self.agent = agent
        self._history: list[str] = []
        self._now = START

    def user(self, text: str) -> Run:
        """The user says something."""
        self._say("user", text)
        return self

    def wait(self, seconds: float) -> Run:
        """Nothing happens."""
        self._now += timedelta(seconds=seconds)
        return self

    def llm(self, text: str = "", *, seconds: float = 1.0, tokens: tuple[int, int] | None = None, **fields: Any) -> Run:
        """A model call that reads all that was said so far."""
        given, failed = tuple(self._history), fields.get("status") == "error"
        calls: Sequence[ToolCall] = fields.pop("calls", ())
        outputs = () if failed else (self._say("assistant", text, calls),)
        usage = Usage(input_tokens=tokens[0], output_tokens=tokens[1]) if tokens else None
        known = {
            "request_model": "gpt-4o",
            "response_model": None if failed else "gpt-4o-2024-05-13",
            "provider": "openai",
        }
        return self.step(
            "llm",
            "chat gpt-4o",
            seconds,
            input_messages=given,
            output_messages=outputs,
            usage=usage,
            **(known | fields),
        )

    def tool(self, name: str, arguments: Any = None, result: Any = None, *, seconds: float = 0.1, **fields: Any) -> Run:
        """A tool call."""
        self.step("tool", f"execute_tool {name}", seconds, tool_name=name, arguments=arguments, result=result, **fields)
        self._say("tool", str(result))
        return self

    def step(self, kind: Any, name: str, seconds: float, **fields: Any) -> Run:
        """Any span."""
        start: datetime = fields.pop("start", self._now)
        end = start + timedelta(seconds=seconds)
        known = {"span_id": f"s{len(self.spans)}", "parent_id": self.agent}
        self.spans.append(Span(name=name, kind=kind, start=start, end=end, **(known | fields)))
        self._now = max(self._now, end)
        return self

    def trace(self) -> Trace:
        root = Span(span_id=self.agent, name="invoke_agent", kind="agent", start=START, end=self._now)
        return Trace(trace_id="t1", spans=(root, *self.spans), messages=self.messages, fingerprint="f", revision=1)

    def _say(self, role: Any, text: str, calls: Sequence[ToolCall] = ()) -> str:
        digest = f"m{len(self.messages)}"
        self.messages[digest] = Message(digest=digest, role=role, content=text, tool_calls=tuple(calls))
        self._history.append(digest)
        return digest


def verdict(evaluator: str, run: Run | Trace, options: str = "{}") -> Score:
    """The only score of a trace evaluator."""
    suite = suite_of(f"[{{type: {evaluator}, options: {options}}}]")
    (score,) = decide(suite, run.trace() if isinstance(run, Run) else run).scores
    return score


def failures(evaluator: str, run: Run | Trace) -> dict[str | None, str | None]:
    """Blamed span and label of each failing score."""
    settings, source = parse_settings(f"evaluators: [{{type: {evaluator}}}]\n", "evalstream.yaml", {})
    scores = decide(build_suite(settings, source), run.trace() if isinstance(run, Run) else run).scores
    return {score.blamed_span_id: score.label for score in scores if score.passed is False}


def found_and_false(evaluator: str, fault: str) -> tuple[int, int, int, int]:
    """On the recorded runs: faults found (the right span named), faults, clean spans blamed that no label calls an
    error, clean spans."""
    suite = suite_of(f"[{{type: {evaluator}}}]")
    wanted = {label["trace_id"]: label["span_id"] for label in labels("airline_dev_faults") if label["fault"] == fault}
    found = sum(
        any(s.passed is False and s.blamed_span_id == wanted[trace.trace_id] for s in decide(suite, trace).scores)
        for trace in runs("airline_dev_faults")
        if trace.trace_id in wanted
    )
    errors = {span for label in labels("airline_dev") for span in label["tool_error_span_ids"]}
    clean = runs("airline_dev")
    false = [s for trace in clean for s in decide(suite, trace).scores if s.passed is False]
    return (
        found,
        len(wanted),
        sum(score.blamed_span_id not in errors for score in false),
        sum(len(trace.spans) for trace in clean),
    )
