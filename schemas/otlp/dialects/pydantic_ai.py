"""pydantic-ai (Logfire): instrumentation versions 1 to 5. Model calls are GenAI; agents and older tools are its own.

Source: pydantic/pydantic-ai, ``pydantic_ai/models/instrumented.py``.
"""

from __future__ import annotations

from typing import Any

from ...messages import parse_json
from ..dialect import Dialect, Draft
from .genai_events import read_event_list


def _read_run(draft: Draft) -> None:
    """An agent's run: what it was asked stands before the model's first new answer; its answer is the result."""
    said = draft.attributes.pop("pydantic_ai.all_messages", None) or draft.attributes.pop("all_messages", None)
    messages = parse_json(said) if isinstance(said, str) else said
    result = draft.attributes.pop("final_result", None)
    events = draft.attributes.pop("all_messages_events", None) or draft.attributes.pop("events", None)
    if events:
        read_event_list(draft, events)
    if isinstance(messages, list):
        draft.offer("inputs", _asked(messages, draft.attributes.get("pydantic_ai.new_message_index")))
        last = messages[-1] if messages else None
        if result is None and isinstance(last, dict) and last.get("role") == "assistant":
            draft.offer("outputs", [last])
    if isinstance(result, str) and result:
        draft.outputs = ()
        draft.offer("outputs", [{"role": "assistant", "content": result}])


def _asked(messages: list[Any], first_new: Any) -> list[Any]:
    start = first_new if isinstance(first_new, int) and 0 <= first_new < len(messages) else 0
    for i in range(start, len(messages)):
        if isinstance(messages[i], dict) and messages[i].get("role") == "assistant":
            return messages[:i]
    return messages


def _is_run(draft: Draft) -> None:
    if draft.raw.name in ("agent run", "invoke_agent") or "final_result" in draft.attributes:
        draft.kind = draft.kind or "agent"


PYDANTIC_AI = Dialect(
    name="pydantic-ai",
    namespaces=frozenset({"pydantic_ai", "logfire", "model_request_parameters", "all_messages_events"}),
    aliases={
        "agent_name": ("agent_name",),
        "request_model": ("gen_ai.request.model", "model_name"),
        "arguments": ("gen_ai.tool.call.arguments", "tool_arguments"),
        "result": ("gen_ai.tool.call.result", "tool_response"),
        "tool_definitions": ("gen_ai.tool.definitions", "model_request_parameters"),
    },
    before=(_is_run, _read_run),
)
