"""OpenLLMetry (Traceloop): ``traceloop.*`` and the older flattened ``gen_ai.prompt.N.*``, ``gen_ai.completion.N.*``.

Source: traceloop/openllmetry, ``opentelemetry-semantic-conventions-ai``. Current versions write messages as the GenAI
conventions do; LiteLLM writes some of the older names too.
"""

from __future__ import annotations

from typing import Any

from ..dialect import Dialect, Draft
from ..flat import take_groups

PROMPT, COMPLETION, FUNCTIONS = "gen_ai.prompt", "gen_ai.completion", "llm.request.functions"
_PREFIXES = frozenset({PROMPT, COMPLETION, FUNCTIONS})
_CHUNKS = ("gen_ai.content.completion.chunk", "llm.content.completion.chunk")


def _read_flattened(draft: Draft) -> None:
    groups = take_groups(draft, _PREFIXES)
    if PROMPT in groups and not draft.inputs and "inputs" not in draft.fields:
        draft.inputs, _ = draft.book.add(groups[PROMPT], "user")
    if COMPLETION in groups:
        _read_completion(draft, [_without_quotes(item) for item in groups[COMPLETION] if isinstance(item, dict)])
    if FUNCTIONS in groups:
        draft.offer("tool_definitions", groups[FUNCTIONS])


def _read_completion(draft: Draft, items: list[dict[str, Any]]) -> None:
    calls = [item["function_call"] for item in items if item.keys() == {"function_call"}]
    if items and len(calls) == len(items):
        # LiteLLM: each item is one call of the one message, which stands empty in gen_ai.output.messages.
        items = [{"role": "assistant", "tool_calls": calls}]
        held = draft.fields.get("outputs")
        if held is None or not any(_says_something(draft, digest) for digest in draft.book.add(held, "assistant")[0]):
            if held is not None:
                draft.reasons += draft.book.add(held, "assistant")[1]
                draft.fields.pop("outputs")
            draft.outputs, _ = draft.book.add(items, "assistant")
        return
    if not draft.outputs and "outputs" not in draft.fields:
        draft.outputs, reasons = draft.book.add(items, "assistant")
        draft.reasons += reasons


def _without_quotes(item: dict[str, Any]) -> dict[str, Any]:
    """LangChain's empty content arrives encoded as JSON: two quotes."""
    return {**item, "content": ""} if item.get("content") == '""' else item


def _says_something(draft: Draft, digest: str) -> bool:
    message = draft.book.messages[digest]
    return bool(message.content or message.tool_calls or message.parts or message.reasoning)


def _read_chunks(draft: Draft) -> None:
    chunks = draft.take_event(*_CHUNKS)
    if chunks:
        draft.offer("time_to_first_token_s", draft.seconds_until(min(chunk.time_ns for chunk in chunks)))


def _name_entity(draft: Draft) -> None:
    name = draft.attributes.pop("traceloop.entity.name", None)
    if name and draft.kind == "tool":
        draft.offer("tool_name", name)
    elif name and draft.kind == "agent":
        draft.offer("agent_name", name)
    elif name:
        draft.attributes["traceloop.entity.name"] = name


OPENLLMETRY = Dialect(
    name="openllmetry",
    namespaces=frozenset({"traceloop", "llm", "gen_ai"}),
    kinds={
        "traceloop.span.kind": {"agent": "agent", "tool": "tool", "workflow": "other", "task": "other"},
        "llm.request.type": {
            "chat": "llm",
            "completion": "llm",
            "embedding": "embedding",
            "rerank": "retrieval",
        },
    },
    aliases={
        "input": ("traceloop.entity.input",),
        "output": ("traceloop.entity.output",),
        "session_id": (
            "traceloop.association.properties.session_id",
            "traceloop.association.properties.conversation_id",
            "traceloop.association.properties.thread_id",
        ),
        "user_id": ("traceloop.association.properties.user_id",),
        "prompt_name": ("traceloop.prompt.key",),
        "prompt_version": ("traceloop.prompt.version",),
        "finish_reasons": ("llm.response.finish_reason", "llm.response.stop_reason"),
        "input_tokens": ("llm.usage.prompt_tokens",),
        "output_tokens": ("llm.usage.completion_tokens",),
    },
    before=(_read_flattened, _read_chunks),
    after=(_name_entity,),
)
