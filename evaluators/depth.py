"""Limits on nesting: data of a trace may be nested deeper than recursion can follow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class TooDeep(ValueError):
    """A value is nested too deeply to be looked at; the type of the recorded failure."""


def is_deeper(value: Any, limit: int) -> bool:
    """Whether `value` is nested deeper than `limit` levels, found without recursion."""
    level = [value]
    for _ in range(limit):
        level = [child for node in level if isinstance(node, dict | list | tuple) for child in _children(node)]
        if not level:
            return False
    return any(isinstance(node, dict | list | tuple) for node in level)


def _children(node: Any) -> Iterable[Any]:
    return node.values() if isinstance(node, dict) else node
