"""The texts in a tool's result, out of the envelopes that clients put around them, and whether a part was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from schemas.patterns import compiled
from schemas.trace import Span

from .text import whole_text

MAX_UNWRAPPED = 3
MAX_ITEMS = 20
_CARRIERS = ("content", "text", "result", "output", "body", "response", "return_value")
_WINDOW = compiled(
    r"(?:^|_)(?:limit|offset|page|per_page|page_?size|page_?number|page_?token|cursor|top|top_?k|top_?n|n|k|max|max_\w+|num_\w+|count|first"
    r"|last|size|start|end|start_\w+|end_line|line_\w+|lines|line|head|tail|range|view_range|skip|take|length|max\w*|begin|after|before|rows"
    r"|from_line|to_line|bytes|chars)$"
)
_CAMEL = compiled(r"([a-z])([A-Z])")


class ResultText(NamedTuple):
    """A text in a result, and where it stands."""

    path: str
    text: str


def result_texts(result: Any) -> Iterator[ResultText]:
    """A result that is text, and the texts that carry the content of one that is no text (MCP content, messages)."""
    yield from _texts(result, "result", MAX_UNWRAPPED)


def asks_for_part(tool: Span) -> bool:
    """Whether the arguments of a call limit what is asked for: a page, a range of lines, the first ten."""
    if not isinstance(tool.arguments, dict):
        return False
    return any(
        value is not None and _WINDOW.search(_CAMEL.sub(r"\1_\2", whole_text(str(key))).lower()) is not None
        for key, value in tool.arguments.items()
    )


def _texts(value: Any, path: str, depth: int) -> Iterator[ResultText]:
    if isinstance(value, str):
        if value:
            yield ResultText(path, whole_text(value))
    elif depth and isinstance(value, list | tuple):
        for index, item in enumerate(value[:MAX_ITEMS]):
            if isinstance(item, dict) and item.get("type") == "text":
                yield from _texts(item.get("text"), f"{path}[{index}].text", 0)
    elif depth and isinstance(value, dict):
        for key in _CARRIERS:
            if value.get(key):
                yield from _texts(value[key], f"{path}.{key}", depth - 1)
