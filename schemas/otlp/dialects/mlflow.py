"""MLflow Tracing: ``mlflow.spanType``, ``mlflow.spanInputs``, ``mlflow.spanOutputs``, every value encoded as JSON.

Source: mlflow/mlflow, ``mlflow/tracing/constant.py``.
"""

from __future__ import annotations

import orjson

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
    chunks = [event for event in draft.events if event.name.startswith(_CHUNK)]
    if chunks:
        draft.events = [event for event in draft.events if not event.name.startswith(_CHUNK)]
        draft.offer("time_to_first_token_s", draft.seconds_until(min(chunk.time_ns for chunk in chunks)))


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
