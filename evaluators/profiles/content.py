"""What a tool answered, out of its envelope: JSON that came as text is read, the texts of MCP content are unwrapped."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from ..result_texts import result_texts

_WRAPPERS = frozenset(("content", "type", "text", "isError", "structuredContent", "_meta", "annotations", "meta"))


class Content(NamedTuple):
    """A value, and the path inside the span at which it stands."""

    value: Any
    path: str


def content_of(result: Any) -> Content:
    """The content of a tool's result; text that is no JSON stays text."""
    if isinstance(result, str):
        return Content(parsed(result), "result")
    if _is_envelope(result):
        texts = list(result_texts(result))
        if len(texts) == 1:
            return Content(parsed(texts[0].text), texts[0].path)
    return Content(result, "result")


def parsed(text: str) -> Any:
    """JSON that stands as text, else the text."""
    stripped = text.strip()
    if stripped[:1] in ("{", "[") or stripped == "null":
        try:
            return orjson.loads(stripped)
        except orjson.JSONDecodeError:
            return text
    return text


def _is_envelope(result: Any) -> bool:
    if isinstance(result, list):
        return len(result) == 1 and isinstance(result[0], dict) and result[0].get("type") == "text"
    return isinstance(result, dict) and "content" in result and result.keys() <= _WRAPPERS
