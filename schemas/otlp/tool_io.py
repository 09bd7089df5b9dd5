"""The fields of a tool span: which tool, with what arguments, and what came back."""

from __future__ import annotations

from typing import Any

from ..messages import parse_json, parse_python, unwrap_result
from .dialect import Draft

_ABSENT = frozenset({"", "<not specified>"})


def read_tool_fields(draft: Draft) -> dict[str, Any]:
    """Tool name, call id, arguments and result of a draft."""
    fields = draft.fields
    _from_messages(draft)
    arguments = fields.get("arguments", fields.get("input"))
    result = fields.get("result", fields.get("output"))
    call_id = fields.get("tool_call_id") or _call_id_of(result)
    name = fields.get("tool_name") or draft.raw.name
    result = unwrap_result(result)
    return {
        "tool_name": name if isinstance(name, str) else str(name),
        "tool_call_id": call_id if isinstance(call_id, str) and call_id not in _ABSENT else None,
        "arguments": _arguments(arguments),
        "result": None if isinstance(result, str) and result == "<not specified>" else result,
    }


def _arguments(value: Any) -> Any:
    if not isinstance(value, str):
        return _unwrapped(value)
    parsed = parse_json(value)
    if parsed is None and value[:2] in ("{'", "[{", "['"):
        parsed = parse_python(value)
    return value if parsed is None or isinstance(parsed, str) else _unwrapped(parsed)


def _unwrapped(value: Any) -> Any:
    """Arguments out of a decorator's ``{"args": [], "kwargs": {…}}`` or LangChain's ``{"input_str", "inputs", …}``, or
    CrewAI's ``{"calling": {"arguments": …}}``."""
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("args"), list) and isinstance(value.get("kwargs"), dict):
        args, kwargs = value["args"], value["kwargs"]
        if not args:
            return kwargs
        if not kwargs and isinstance(args, list) and len(args) == 1 and isinstance(args[0], dict):
            return args[0]
    calling = value.get("calling")
    if isinstance(calling, dict) and "arguments" in calling:
        return calling["arguments"]
    if "input_str" in value and isinstance(value.get("inputs"), dict):
        return value["inputs"]
    if "input_str" in value:
        return _arguments(value["input_str"])
    return value


def _from_messages(draft: Draft) -> None:
    """Strands writes a tool's call and result as messages as well: they are the same content."""
    fields = draft.fields
    for digest in draft.inputs + (draft.book.add(fields["inputs"], "user")[0] if "inputs" in fields else ()):
        for call in draft.book.messages[digest].tool_calls:
            draft.offer("arguments", call.arguments)
            draft.offer("tool_name", call.name)
            draft.offer("tool_call_id", call.id)
    for digest in draft.outputs + (draft.book.add(fields["outputs"], "assistant")[0] if "outputs" in fields else ()):
        message = draft.book.messages[digest]
        draft.offer("result", message.content)
        draft.offer("tool_call_id", message.tool_call_id)


def _call_id_of(result: Any) -> Any:
    """The call id inside a dumped ToolMessage, which LangChain's tool spans give back."""
    if isinstance(result, str):
        result = parse_json(result)
    if isinstance(result, dict) and isinstance(result.get("output"), dict):
        result = result["output"]
    for name in ("data", "kwargs"):
        if isinstance(result, dict) and isinstance(result.get(name), dict):
            result = result[name]
    return result.get("tool_call_id") if isinstance(result, dict) else None
