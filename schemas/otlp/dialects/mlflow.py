"""MLflow Tracing: ``mlflow.spanType``, ``mlflow.spanInputs``, ``mlflow.spanOutputs``, every value encoded as JSON.

Source: mlflow/mlflow, ``mlflow/tracing/constant.py``.
"""

from __future__ import annotations

from typing import Any

import orjson

from ...messages import parse_json
from ...messages.parsing import storable
from ..dialect import Dialect, Draft

USAGE = "mlflow.chat.tokenUsage"
_CHUNK = "mlflow.chunk.item."


def _decode(draft: Draft) -> None:
    """Take the JSON encoding off every value."""
    for name, value in draft.attributes.items():
        if isinstance(value, str):
            try:
                decoded = orjson.loads(value)
            except orjson.JSONDecodeError:
                continue
            if storable(decoded, value.count("{") + value.count("[")):
                draft.attributes[name] = decoded


def _read_usage(draft: Draft) -> None:
    usage = draft.attributes.get(USAGE)
    if isinstance(usage, dict) and draft.kind == "llm":
        del draft.attributes[USAGE]
        draft.offer("input_tokens", usage.get("input_tokens"))
        draft.offer("output_tokens", usage.get("output_tokens"))
        draft.offer("cached_input_tokens", usage.get("cache_read_input_tokens"))


def _read_chunks(draft: Draft) -> None:
    """Streamed chunks: when the first came, and the tool calls, which MLflow leaves out of the whole output."""
    chunks = [event for event in draft.events if event.name.startswith(_CHUNK)]
    if not chunks:
        return
    draft.events = [event for event in draft.events if not event.name.startswith(_CHUNK)]
    draft.offer("time_to_first_token_s", draft.seconds_until(min(chunk.time_ns for chunk in chunks)))
    calls: dict[int, dict[str, str]] = {}
    texts: list[str] = []
    reasons: list[str] = []
    for chunk in sorted(chunks, key=lambda event: event.time_ns):
        for choice in _choices(chunk.attributes.get("mlflow.chunk.value")):
            delta = choice["delta"] if isinstance(choice.get("delta"), dict) else {}
            if isinstance(delta.get("content"), str):
                texts.append(delta["content"])
            for part in delta["tool_calls"] if isinstance(delta.get("tool_calls"), list) else []:
                _join_call(calls, part)
            if choice.get("finish_reason"):
                reasons.append(choice["finish_reason"])
    if calls:
        said = [calls[index] for index in sorted(calls)]
        draft.fields.pop("output", None)
        draft.offer("outputs", [{"role": "assistant", "content": "".join(texts), "tool_calls": said}])
        draft.offer("finish_reasons", reasons)


def _choices(value: Any) -> list[dict[str, Any]]:
    chunk = parse_json(value) if isinstance(value, str) else value
    if isinstance(chunk, str):
        chunk = parse_json(chunk)
    choices = chunk.get("choices") if isinstance(chunk, dict) else None
    return [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []


def _join_call(calls: dict[int, dict[str, str]], part: Any) -> None:
    if not isinstance(part, dict) or not isinstance(part.get("index", 0), int):
        return
    call = calls.setdefault(part.get("index", 0), {"arguments": ""})
    function = part.get("function")
    said = function if isinstance(function, dict) else {}
    for name, value in (("id", part.get("id")), ("name", said.get("name"))):
        if isinstance(value, str) and value:
            call[name] = value
    if isinstance(said.get("arguments"), str):
        call["arguments"] += said["arguments"]


def _name_entity(draft: Draft) -> None:
    name = draft.attributes.get("mlflow.spanFunctionName")
    if draft.kind == "tool":
        draft.offer("tool_name", name)
    elif draft.kind == "agent":
        draft.offer("agent_name", draft.raw.name)


MLFLOW = Dialect(
    name="mlflow",
    namespaces=frozenset({"mlflow"}),
    kinds={
        "mlflow.spanType": {
            "agent": "agent",
            "llm": "llm",
            "chat_model": "llm",
            "tool": "tool",
            "retriever": "retrieval",
            "reranker": "retrieval",
            "embedding": "embedding",
            "chain": "other",
            "parser": "other",
            "memory": "other",
            "workflow": "other",
            "task": "other",
            "guardrail": "other",
            "evaluator": "other",
            "unknown": "other",
        }
    },
    aliases={
        "input": ("mlflow.spanInputs",),
        "output": ("mlflow.spanOutputs",),
        "tool_definitions": ("mlflow.chat.tools", "tools"),
        "request_model": ("model",),
        "response_model": ("mlflow.llm.model",),
        "provider": ("mlflow.llm.provider",),
        "session_id": ("mlflow.trace.session",),
        "user_id": ("mlflow.trace.user",),
    },
    before=(_decode,),
    after=(_read_usage, _read_chunks, _name_entity),
)
