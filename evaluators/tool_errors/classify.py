"""A tool's result of any shape: text, JSON in text, JSON, a page, or one of these in an envelope."""

from __future__ import annotations

import ast
from typing import Any

import orjson

from ..text import whole_text
from .envelope import envelope_sign
from .markup import markup_sign
from .prose import prose_sign
from .sign import ErrorSign

MAX_UNWRAPPED = 4
MAX_ITEMS = 50
MAX_LITERAL_CHARS = 4_000
_LISTS = ("results", "items", "records")
_CARRIERS = ("content", "text", "result", "output", "data", "body", "response", "structuredContent", "return_value")
_CARRIER_COMPANIONS = frozenset(
    (
        *("type", "role", "name", "id", "tool_call_id", "toolCallId", "tool_use_id", "additional_kwargs", "status"),
        *("response_metadata", "artifact", "annotations", "mimeType", "meta", "_meta", "isError", "is_error", "lc"),
        *("jsonrpc", "success", "ok", "kwargs", "statusCode", "headers"),
    )
)


def classify(result: Any) -> ErrorSign | None:
    """The strongest sign of failure in a result; None when it reads like a success."""
    return _classify(result, "result", MAX_UNWRAPPED)


def _classify(value: Any, path: str, depth: int) -> ErrorSign | None:
    if isinstance(value, str):
        return _of_text(value, path, depth)
    if isinstance(value, list | tuple):
        return _of_list(value, path, depth)
    if not isinstance(value, dict):
        return None
    sign = envelope_sign(value)
    if sign is not None:
        return sign._replace(path=f"{path}.{sign.path}")
    for key in _LISTS:
        if isinstance(value.get(key), list) and all(isinstance(item, dict) for item in value[key]) and depth:
            sign = _of_list(value[key], f"{path}.{key}", depth - 1)
            if sign is not None and all(item in (None, "", [], {}) for name, item in value.items() if name != key):
                return sign
    inner = _carried(value)
    return _classify(value[inner], f"{path}.{inner}", depth - 1) if inner is not None and depth else None


def _of_text(text: str, path: str, depth: int) -> ErrorSign | None:
    stripped = whole_text(text.strip())
    if not stripped:
        return None
    if stripped[0] in '{["' and depth:
        try:
            return _classify(orjson.loads(stripped), path, depth - 1)
        except orjson.JSONDecodeError:
            pass
    if stripped.startswith("{'") and depth and len(stripped) <= MAX_LITERAL_CHARS:
        found = _literal(stripped)
        if found is not None:
            return _classify(found, path, depth - 1)
    sign = (markup_sign(stripped) if stripped[0] == "<" else None) or prose_sign(stripped)
    return sign._replace(path=path) if sign is not None else None


def _literal(text: str) -> Any:
    """A dictionary in Python's own notation, as tools return it that forget to encode their result."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def _of_list(values: list[Any] | tuple[Any, ...], path: str, depth: int) -> ErrorSign | None:
    """A list fails when all of it does: one bad record among good ones is data."""
    if not values or not depth or len(values) > MAX_ITEMS:
        return None
    first: ErrorSign | None = None
    for index, value in enumerate(values):
        sign = _classify(value, f"{path}[{index}]", depth - 1)
        if sign is None:
            return None
        first = first or sign
    return first


def _carried(value: dict[str, Any]) -> str | None:
    """The one field that carries the content, where all others only describe it."""
    carriers = [key for key in _CARRIERS if value.get(key) not in (None, "", [], {})]
    if len(carriers) == 1 and value.keys() <= _CARRIER_COMPANIONS | set(_CARRIERS):
        return carriers[0]
    return None
