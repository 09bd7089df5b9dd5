"""What a span was given and what it gave, where the dialect does not say what shape it has.

OpenInference's ``input.value``, MLflow's ``mlflow.spanInputs`` and OpenLLMetry's ``traceloop.entity.input`` hold
anything: a request, a list of messages, a dump of LangChain messages, the arguments of a function, or text.
"""

from __future__ import annotations

from typing import Any

from ..messages import parse_json
from ..trace import SpanKind
from .dialect import Draft

_QUESTION = ("input", "text", "query", "question", "prompt", "user_input", "user_message", "message", "content", "task")
_ANSWER = ("output", "answer", "response", "result", "final_output", "text", "content", "message", "raw")
_ERROR = 2
_WRAPPERS = ("inputs", "outputs", "input", "output")
_TALKING = frozenset({"llm", "agent", "retrieval"})
_MESSAGE_TYPES = frozenset(
    {"human", "ai", "system", "tool", "AIMessageChunk", "function_call", "function_call_output", "message", "reasoning"}
)


def read_input_output(draft: Draft, kind: SpanKind) -> None:
    """Turn ``input`` and ``output`` of a draft into messages where they are some."""
    if kind == "tool":
        return
    if kind == "other" and draft.raw.parent_id is None:
        # A chain or workflow that is the root stands for the agent; text between the steps of one is no conversation.
        kind = "agent"
    given = _value(draft.fields.pop("input", None))
    gave = _value(draft.fields.pop("output", None))
    _about_call(draft, kind, given, gave)
    if given is not None and (kind != "llm" or not (draft.inputs or "inputs" in draft.fields)):
        messages = _messages(given, "user", _QUESTION, kind)
        if messages is not None:
            draft.inputs = ()
            draft.fields["inputs"] = messages
        else:
            draft.attributes["input.value"] = given
    if gave is not None and (kind != "llm" or not (draft.outputs or "outputs" in draft.fields)):
        messages = _messages(gave, "assistant", _ANSWER, kind)
        if messages is not None:
            draft.outputs = ()
            draft.fields["outputs"] = messages
        else:
            draft.attributes["output.value"] = gave


def _value(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    parsed = parse_json(value)
    return value if parsed is None else parsed


def _messages(value: Any, role: str, names: tuple[str, ...], kind: SpanKind) -> Any:
    """The part of a value that is messages, or None."""
    if isinstance(value, str):
        return [{"role": role, "content": value}] if kind in _TALKING and value else None
    if isinstance(value, list):
        return (
            value if value and all(_is_message(item) for item in value) else _messages_in_list(value, role, names, kind)
        )
    if not isinstance(value, dict):
        return None
    if _is_message(value):
        return [value]
    for name in ("messages", "input", "choices", "output", "generations", "contents", "update"):
        inner = value.get(name)
        if name == "generations" and isinstance(inner, list):
            inner = [g.get("message", g.get("text")) for g in _flatten(inner) if isinstance(g, dict)]
        if name == "choices" and isinstance(inner, list):
            inner = [
                {"finish_reason": c.get("finish_reason"), **c["message"]}
                for c in inner
                if isinstance(c, dict) and isinstance(c.get("message"), dict)
            ]
        if name == "update" and isinstance(inner, dict):
            inner = inner.get("messages")
        inner = _flatten(inner)
        if isinstance(inner, list) and inner and all(_is_message(item) for item in inner):
            said = value.get("instructions", value.get("system"))
            return ([{"role": "system", "content": said}] if isinstance(said, str) and said else []) + inner
    for name in _WRAPPERS:
        if isinstance(value.get(name), dict):
            found = _messages(value[name], role, names, kind)
            if found is not None:
                return found
    if value.keys() == {"args", "kwargs"}:
        return _messages_of_call(value, role, names, kind)
    if kind in _TALKING:
        for name in names:
            if isinstance(value.get(name), str) and value[name]:
                return [{"role": role, "content": value[name]}]
    return None


def _messages_in_list(value: list[Any], role: str, names: tuple[str, ...], kind: SpanKind) -> Any:
    flat = _flatten(value)
    if flat and all(_is_message(item) for item in flat):
        return flat
    if len(value) == 1 and isinstance(value[0], dict) and value[0].keys() & {"update", "messages", "output"}:
        return _messages(value[0], role, names, kind)
    return None


def _messages_of_call(value: dict[str, Any], role: str, names: tuple[str, ...], kind: SpanKind) -> Any:
    """The first argument of a function, by position or by a telling name, when it is text or messages."""
    args, kwargs = value["args"], value["kwargs"]
    if isinstance(args, list) and args:
        return _messages(args[0], role, names, "agent" if kind == "other" else kind)
    return _messages(kwargs, role, names, "agent" if kind == "other" else kind) if isinstance(kwargs, dict) else None


def _flatten(value: Any) -> Any:
    if isinstance(value, list) and value and all(isinstance(item, list) for item in value):
        return [inner for item in value for inner in item]
    return value


def _is_message(item: Any) -> bool:
    if not isinstance(item, dict):
        return False
    if isinstance(item.get("role"), str) and item.keys() & {"content", "parts", "tool_calls", "function_call"}:
        return True
    if isinstance(item.get("lc"), int) and isinstance(item.get("kwargs"), dict):
        return "content" in item["kwargs"]
    kind = item.get("type")
    return (
        isinstance(kind, str)
        and kind in _MESSAGE_TYPES
        and bool(item.keys() & {"data", "content", "arguments", "output", "summary"})
    )


def _about_call(draft: Draft, kind: SpanKind, given: Any, gave: Any) -> None:
    """What a raw request and response say about a model call beside its messages."""
    named = draft.fields.pop("model_name", None)
    if kind != "llm":
        draft.offer("request_model", named)
        return
    if isinstance(given, dict):
        draft.offer("request_model", given.get("model"))
        draft.offer("tool_definitions", given.get("tools"))
    if isinstance(gave, dict):
        first = _first_generation(gave)
        info = _inner(first, "generation_info")
        response = _inner(_inner(_inner(first, "message"), "kwargs"), "response_metadata")
        told = _inner(gave, "llm_output")
        said = [told.get("model_name"), info.get("model_name"), response.get("model_name")]
        draft.offer("response_model", gave.get("model") or next((name for name in said if name), None))
        draft.offer("finish_reasons", _reasons(gave.get("choices")) or info.get("finish_reason"))
        usage = gave.get("usage") if isinstance(gave.get("usage"), dict) else _inner(told, "token_usage")
        if isinstance(usage, dict):
            draft.offer("input_tokens", usage.get("prompt_tokens", usage.get("input_tokens")))
            draft.offer("output_tokens", usage.get("completion_tokens", usage.get("output_tokens")))
    draft.offer("response_model", None if draft.raw.status_code == _ERROR else named)


def _first_generation(gave: dict[str, Any]) -> dict[str, Any]:
    generations = _flatten(gave.get("generations"))
    return generations[0] if isinstance(generations, list) and generations and isinstance(generations[0], dict) else {}


def _inner(holder: Any, name: str) -> dict[str, Any]:
    found = holder.get(name) if isinstance(holder, dict) else None
    return found if isinstance(found, dict) else {}


def _reasons(choices: Any) -> list[Any]:
    if not isinstance(choices, list):
        return []
    return [choice["finish_reason"] for choice in choices if isinstance(choice, dict) and choice.get("finish_reason")]
