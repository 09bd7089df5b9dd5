"""Traces to judge, and judges that ask through the real client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from evaluators.base import Environment, Identity
from evaluators.callable.pool import CallablePool
from evaluators.deferred import DeferredRuntime
from evaluators.judge.evaluator import LlmJudge, LlmJudgeOptions
from evaluators.protocol import Target
from schemas.settings import Settings
from schemas.trace import Message, Span, ToolCall, Trace

START = datetime(2026, 1, 1, tzinfo=UTC)


def settings_for(base_url: str, prices: dict[str, Any] | None = None, **judge: Any) -> Settings:
    judge = {"base_url": base_url, "timeout_s": 5, "deadline_s": 20, **judge}
    return Settings.model_validate({"judge": judge, "prices": prices or {}})


def make_judge(settings: Settings, name: str = "quality", target: str = "trace", **options: Any) -> LlmJudge:
    identity = Identity(name, "v1", target, frozenset(("llm", "tool")))  # type: ignore[arg-type]
    environment = Environment(settings, Path.cwd(), CallablePool(1, 1.0))
    return LlmJudge(identity, LlmJudgeOptions.model_validate(options), environment)


@asynccontextmanager
async def ready(judge: LlmJudge, **runtime: Any) -> AsyncIterator[DeferredRuntime]:
    shared = DeferredRuntime(judge.environment.settings, **runtime)
    shared.attach([judge])
    try:
        yield shared
    finally:
        await shared.close()


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for something that happens in the background."""
    for _ in range(int(seconds * 100)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


class Talk:
    """Builds a trace of one agent, message by message."""

    def __init__(self, trace_id: str = "t1") -> None:
        self.trace_id, self.messages, self.spans = trace_id, {}, []
        self.said: list[str] = []
        self.clock = START

    def message(self, role: str, content: str = "", **more: Any) -> str:
        digest = f"m{len(self.messages)}"
        self.messages[digest] = Message(digest=digest, role=role, content=content, **more)
        return digest

    def says(self, role: str, content: str = "", **more: Any) -> Talk:
        self.said.append(self.message(role, content, **more))
        return self

    def answers(self, content: str = "", calls: tuple[ToolCall, ...] = (), **more: Any) -> Talk:
        digest = self.message("assistant", content, tool_calls=calls)
        self.span("llm", input_messages=tuple(self.said), output_messages=(digest,), **more)
        self.said.append(digest)
        return self

    def uses(self, name: str, arguments: Any, result: Any, call_id: str | None = None) -> Talk:
        return self.span("tool", tool_name=name, arguments=arguments, result=result, tool_call_id=call_id)

    def span(self, kind: str, **more: Any) -> Talk:
        number = len(self.spans)
        begun, self.clock = self.clock, self.clock + timedelta(seconds=1)
        self.spans.append(
            Span(span_id=f"s{number}", name=kind, kind=kind, digest=f"d{number}", start=begun, end=self.clock, **more)
        )
        return self

    def trace(self, **more: Any) -> Trace:
        return Trace(
            trace_id=self.trace_id,
            spans=tuple(self.spans),
            messages=self.messages,
            fingerprint=f"f-{self.trace_id}",
            **more,
        )

    def target(self, **more: Any) -> Target:
        return Target(self.trace(**more))


def simple(answer: str = "The capital of France is Paris.", trace_id: str = "t1") -> Target:
    return Talk(trace_id).says("user", "What is the capital of France?").answers(answer).target()
