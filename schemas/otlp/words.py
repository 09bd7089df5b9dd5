"""The vocabularies that all dialects are read into."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..messages import parse_json
from ..trace import SpanKind

FINISH_REASONS = ("stop", "length", "tool_calls", "content_filter", "error", "other")

# As said, not as it should be: a client that says "stop" for a reply of tool calls (Google ADK, OpenAI Responses) is
# recorded as "stop"; the calls themselves stand in the output messages.
_FINISH: Mapping[str, str] = {
    "stop": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "complete": "stop",
    "completed": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "finish": "stop",
    "finished": "stop",
    "pause_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "incomplete": "length",
    "tool_calls": "tool_calls",
    "tool_call": "tool_calls",
    "tool-calls": "tool_calls",
    "tool_use": "tool_calls",
    "tool_uses": "tool_calls",
    "function_call": "tool_calls",
    "function_calls": "tool_calls",
    "content_filter": "content_filter",
    "content-filter": "content_filter",
    "content_filtered": "content_filter",
    "safety": "content_filter",
    "refusal": "content_filter",
    "recitation": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
    "spii": "content_filter",
    "image_safety": "content_filter",
    "guardrail_intervened": "content_filter",
    "error": "error",
    "failed": "error",
    "cancelled": "error",
    "malformed_function_call": "error",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
    "unexpected_tool_call": "error",
}

OPERATIONS: Mapping[str, SpanKind] = {
    "chat": "llm",
    "text_completion": "llm",
    "completion": "llm",
    "generate_content": "llm",
    "generate": "llm",
    "responses": "llm",
    "embeddings": "embedding",
    "embedding": "embedding",
    "execute_tool": "tool",
    "tool": "tool",
    "retrieval": "retrieval",
    "retrieve": "retrieval",
    "rerank": "retrieval",
    "invoke_agent": "agent",
    "create_agent": "agent",
    "agent": "agent",
}


def finish_reasons(value: Any) -> tuple[str, ...]:
    """Reasons in our vocabulary, from a list, one word, or JSON of either."""
    if isinstance(value, str):
        parsed = parse_json(value)
        value = value if parsed is None else parsed
    said: Iterable[Any] = value if isinstance(value, list | tuple) else [value]
    return tuple(_FINISH.get(_word(word), "other") for word in said if isinstance(word, str) and word)


def _word(said: str) -> str:
    return said.strip().rpartition(".")[2].lower().removeprefix("finish_reason_")
