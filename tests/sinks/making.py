"""Small records for the tests of sinks."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from schemas.ids import Hasher, fingerprint
from schemas.judge_request import JudgeRequest, View
from schemas.score import Score
from schemas.source import Source
from schemas.trace import Message, Span, ToolCall, Trace, Usage

T0 = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
AIRLINE = Path(__file__).resolve().parents[3] / "shared" / "data" / "airline_dev.otlp.jsonl.gz"
HASHER = Hasher(b"tests")


def at(second: float) -> datetime:
    return T0 + timedelta(seconds=second)


def message(text: str, role: str = "user", **fields: Any) -> Message:
    return Message(digest=HASHER.digest([role, text]), role=role, content=text, **fields)  # type: ignore[arg-type]


def span(span_id: str, *, digest: str = "", second: float = 0.0, lasts: float = 1.0, **fields: Any) -> Span:
    fields = {"name": f"span {span_id}", "kind": "tool", "tool_name": "search", **fields}
    return Span(
        span_id=span_id, digest=digest or f"digest of {span_id}", start=at(second), end=at(second + lasts), **fields
    )


def trace(trace_id: str, *spans: Span, **fields: Any) -> Trace:
    pairs = [(s.span_id, s.digest) for s in spans]
    fields = {"project": "shop", "environment": "test", **fields}
    return Trace(trace_id=trace_id, spans=spans, fingerprint=fingerprint(pairs), revision=len(set(pairs)), **fields)


def conversation(trace_id: str) -> Trace:
    """An agent, a model call with messages and tools, and a tool call."""
    asked, called, told = (
        message("Where is my order?"),
        message(
            "", "assistant", tool_calls=(ToolCall(name="search", arguments={"order": "A1", "deep": None}, id="c1"),)
        ),
        message('{"status": "sent"}', "tool", tool_call_id="c1"),
    )
    answer = message("It was sent. \U0001f4e6", "assistant", reasoning="easy")
    return trace(
        trace_id,
        span("a", kind="agent", tool_name=None, lasts=9),
        span(
            "b",
            kind="llm",
            tool_name=None,
            parent_id="a",
            second=1,
            request_model="gpt-x",
            response_model="gpt-x-1",
            input_messages=(asked.digest, called.digest, told.digest),
            output_messages=(answer.digest,),
            tool_set="tools",
            usage=Usage(input_tokens=11, output_tokens=7),
            finish_reasons=("stop",),
            prompt_version="7",
        ),
        span("c", parent_id="a", second=3, arguments={"order": "A1", "n": 1e22}, result=[1, {"status": "sent"}]),
        messages={m.digest: m for m in (asked, called, told, answer)},
        tool_sets={"tools": ({"name": "search", "parameters": {"type": "object"}},)},
        resource={"service.version": "1.2"},
        session_id="s1",
        user_id="u1",
    )


def source(offset: int, partition: int = 0, topic: str = "traces") -> Source:
    return Source(topic=topic, partition=partition, offset=offset)


def score(trace_id: str, evaluator: str = "ev", span_id: str | None = None, **fields: Any) -> Score:
    fields = {
        "status": "scored",
        "value": 1.0,
        "target_digest": "d",
        "source": source(1),
        "event_time": T0,
        "evaluator_version": "v1",
        **fields,
    }
    if fields["status"] != "scored":
        fields["value"] = None
    kind = fields.pop("target", "span" if span_id else "trace")
    return Score(trace_id=trace_id, evaluator=evaluator, target=kind, span_id=span_id, **fields)


def judge_request(trace_id: str, *span_ids: str, evaluator: str = "judge", **fields: Any) -> JudgeRequest:
    fields = {"decisions": (evaluator,), "source": source(1), **fields}
    return JudgeRequest(
        trace_id=trace_id,
        target="span",
        evaluator=evaluator,
        evaluator_version="v1",
        fingerprint="f",
        revision=1,
        views=tuple(View(target_id=s, span_id=s, target_digest=f"digest of {s}", fields={"t": s}) for s in span_ids),
        event_time=T0,
        requested_at=T0,
        **fields,
    )


def airline(limit: int = 100) -> list[Trace]:
    """Recorded agent runs."""
    from schemas.otlp import assemble, decode

    found = []
    with gzip.open(AIRLINE, "rb") as lines:
        for _, line in zip(range(limit), lines, strict=False):
            fragments = decode(line, HASHER)
            found.append(_assembled(assemble, fragments))
    return found


def _assembled(assemble: Any, fragments: Iterable[Any]) -> Trace:
    return assemble(list(fragments), default_project="airline", default_environment="test")


def as_json(value: Any) -> Any:
    """A JSON column of a view: text on both databases."""
    return json.loads(value) if isinstance(value, str) else value
