"""What a tool returned, out of the envelope that its framework put around it."""

from __future__ import annotations

from typing import Any

import orjson

from .parsing import parse_json

_MCP_KEYS = frozenset({"content", "isError", "is_error", "structuredContent", "_meta", "meta"})
_STATUS_KEYS = frozenset({"status", "toolUseId", "content"})
_BLOCK_TYPES = frozenset({"text", "input_text", "output_text", "json", "image", "audio", "resource", "document"})


def unwrap_result(value: Any) -> Any:
    """The result inside known envelopes; a string stays as given, so that malformed JSON remains visible.

    Envelopes: text blocks (``[{"text": …}]``, ``[{"type": "text", …}]``), dumps of a ToolMessage,
    ``{"result": …}`` alone, Bedrock's toolResult, MCP's ``{"content": […], "isError": …}``, JSON encoded twice.
    """
    if isinstance(value, str):
        parsed = parse_json(value)
        if parsed is None:
            return value
        if isinstance(parsed, str):
            return parsed
        inner = _opened(parsed)
        return value if inner is _CLOSED else inner
    inner = _opened(value)
    return value if inner is _CLOSED else inner


def result_text(value: Any) -> str:
    """A result as the text of a message."""
    found = unwrap_result(value)
    if found is None:
        return ""
    if isinstance(found, str):
        return found
    try:
        return orjson.dumps(found, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        return str(found)


_CLOSED = object()


def _opened(value: Any) -> Any:
    if isinstance(value, list):
        return _texts(value)
    if not isinstance(value, dict):
        return _CLOSED
    if len(value) == 1:
        return _single(*next(iter(value.items())))
    dumped = _langchain_body(value)
    if dumped is not None and "tool_call_id" in dumped:
        return unwrap_result(dumped.get("content"))
    if "content" in value and (value.keys() <= _MCP_KEYS or value.keys() <= _STATUS_KEYS):
        content = value["content"]
        return _texts(content) if isinstance(content, list) else unwrap_result(content)
    if value.get("type") in ("text", "output_text") and isinstance(value.get("text"), str):
        return value["text"]
    if "update" in value and isinstance(value["update"], dict):
        return _last_tool_message(value["update"].get("messages"))
    if "output" in value and value.keys() <= {"output", "kwargs"}:
        return unwrap_result(value["output"])
    return _CLOSED


def _single(key: str, value: Any) -> Any:
    if key == "result":
        return unwrap_result(value)
    if key == "toolResult" and isinstance(value, dict):
        return unwrap_result(value.get("content"))
    if key == "text" and isinstance(value, str):
        return value
    if key == "output":
        return unwrap_result(value)
    if key == "messages":
        return _last_tool_message(value)
    if key == "content" and isinstance(value, list):
        return _texts(value)
    return _CLOSED


def _texts(blocks: list[Any]) -> Any:
    """The joined text of a list of nothing but text blocks; one JSON block is its value."""
    if not blocks or not all(isinstance(block, dict) for block in blocks):
        return _CLOSED
    if len(blocks) == 1 and blocks[0].keys() <= {"json", "type"} and "json" in blocks[0]:
        return blocks[0]["json"]
    texts = []
    for block in blocks:
        kind = block.get("type")
        text = block.get("text", block.get("content") if kind == "text" else None)
        is_block = str(kind) in _BLOCK_TYPES if kind is not None else block.keys() == {"text"}
        if not is_block or not isinstance(text, str):
            return _CLOSED
        texts.append(text)
    return "\n".join(texts)


def _last_tool_message(messages: Any) -> Any:
    if not isinstance(messages, list) or not messages:
        return _CLOSED
    dumped = _langchain_body(messages[-1])
    return unwrap_result(dumped.get("content")) if dumped and "tool_call_id" in dumped else _CLOSED


def _langchain_body(value: Any) -> dict[str, Any] | None:
    """The fields of a LangChain message dump: ``{"type", "data"}``, ``{"lc", "kwargs"}`` or the fields themselves."""
    if not isinstance(value, dict):
        return None
    for name in ("data", "kwargs"):
        inner = value.get(name)
        if isinstance(inner, dict) and "content" in inner:
            return inner
    return value if value.get("type") in ("tool", "ToolMessage") and "content" in value else None
