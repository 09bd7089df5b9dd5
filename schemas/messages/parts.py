"""One part (block, item) of a message, of any shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .parsing import parse_json
from .results import result_text

_NO_ID = frozenset({"", "<not specified>"})


class Collected:
    """What the parts of one message come to."""

    __slots__ = ("calls", "parts", "reasoning", "results", "texts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.reasoning: list[str] = []
        self.calls: list[dict[str, Any]] = []
        self.results: list[dict[str, Any]] = []
        self.parts: list[Any] = []


def read_part(part: Any, into: Collected) -> None:
    """Add a part to what was collected; one of unknown shape is kept as it is."""
    if isinstance(part, str):
        if part:
            into.texts.append(part)
        return
    if not isinstance(part, dict):
        if part is not None:
            into.parts.append(part)
        return
    reader = _BY_TYPE.get(part["type"]) if isinstance(part.get("type"), str) else None
    if reader is None:
        reader = next((found for key, found in _BY_KEY.items() if key in part), None)
    if reader is None or not reader(part, into):
        into.parts.append(part)


def parsed_arguments(value: Any) -> Any:
    """A call's arguments: the JSON object or array in a text, else the value itself."""
    if not isinstance(value, str):
        return value
    parsed = parse_json(value)
    if isinstance(parsed, str):  # encoded twice
        parsed = parse_json(parsed)
    return value if parsed is None or isinstance(parsed, str) else parsed


def _read_text(part: dict[str, Any], into: Collected) -> bool:
    text = part.get("text", part.get("content"))
    if isinstance(text, dict):
        text = text.get("value")
    if not isinstance(text, str):
        return False
    if text:
        (into.reasoning if part.get("thought") is True else into.texts).append(text)
    return True


def _read_refusal(part: dict[str, Any], into: Collected) -> bool:
    into.texts.append(str(part.get("refusal", part.get("content", ""))))
    return True


def _read_reasoning(part: dict[str, Any], into: Collected) -> bool:
    inner = part.get("reasoningContent", part.get("reasoningText"))
    if isinstance(inner, dict):
        part = inner.get("reasoningText") if isinstance(inner.get("reasoningText"), dict) else inner  # type: ignore[assignment]
    for key in ("content", "text", "thinking", "reasoning", "summary"):
        found = part.get(key)
        if isinstance(found, str) and found:
            into.reasoning.append(found)
            return True
        if isinstance(found, list) and found:
            into.reasoning += [t["text"] for t in found if isinstance(t, dict) and isinstance(t.get("text"), str)]
            return True
    return True


def _read_call(part: dict[str, Any], into: Collected) -> bool:
    inner = part
    for key in ("function", "toolUse", "function_call", "functionCall", "tool_call"):
        if isinstance(part.get(key), dict):
            inner = part[key]
            break
    name = inner.get("name", inner.get("tool_name", inner.get("toolName")))
    if not isinstance(name, str) or not name:
        return False
    call: dict[str, Any] = {"name": name}
    arguments = next(
        (inner[key] for key in ("arguments", "args", "input", "parameters") if inner.get(key) is not None), None
    )
    if arguments is not None:
        call["arguments"] = parsed_arguments(arguments)
    for holder in (part, inner):
        for key in ("call_id", "tool_call_id", "toolUseId", "toolCallId", "id"):
            if isinstance(holder.get(key), str) and holder[key] not in _NO_ID:
                call.setdefault("id", holder[key])
    into.calls.append(call)
    return True


def _read_result(part: dict[str, Any], into: Collected) -> bool:
    inner = part
    for key in ("toolResult", "function_response", "functionResponse"):
        if isinstance(part.get(key), dict):
            inner = part[key]
            break
    value = next((inner[key] for key in ("response", "result", "output", "content") if key in inner), None)
    found: dict[str, Any] = {"role": "tool"}
    text = result_text(value)
    if text:
        found["content"] = text
    for key in ("tool_call_id", "call_id", "toolUseId", "tool_use_id", "toolCallId", "id"):
        if isinstance(inner.get(key), str) and inner[key] not in _NO_ID:
            found.setdefault("tool_call_id", inner[key])
    name = inner.get("name", inner.get("toolName"))
    if isinstance(name, str) and name:
        found["name"] = name
    into.results.append(found)
    return True


_Reader = Callable[[dict[str, Any], Collected], bool]
_BY_TYPE: dict[str, _Reader] = {
    "text": _read_text,
    "input_text": _read_text,
    "output_text": _read_text,
    "refusal": _read_refusal,
    "reasoning": _read_reasoning,
    "thinking": _read_reasoning,
    "tool_call": _read_call,
    "tool-call": _read_call,
    "tool_use": _read_call,
    "function": _read_call,
    "function_call": _read_call,
    "server_tool_call": _read_call,
    "tool_call_response": _read_result,
    "tool-result": _read_result,
    "tool_result": _read_result,
    "function_call_output": _read_result,
}
_BY_KEY: dict[str, _Reader] = {
    "toolUse": _read_call,
    "function_call": _read_call,
    "functionCall": _read_call,
    "toolResult": _read_result,
    "function_response": _read_result,
    "functionResponse": _read_result,
    "reasoningContent": _read_reasoning,
    "text": _read_text,
}
