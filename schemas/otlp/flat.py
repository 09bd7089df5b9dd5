"""Lists and objects that were flattened into attribute names, such as ``llm.input_messages.0.message.role``."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from .dialect import Draft

MAX_INDEX_DIGITS = 6
MAX_NAME_CHARS = 400

Place = tuple[str, int, tuple[str | int, ...]]


def take_groups(draft: Draft, prefixes: frozenset[str]) -> dict[str, list[Any]]:
    """Claim the attributes below the prefixes: for each prefix its items, in index order, as plain values.

    Indices may have gaps (an attribute limit takes the first ones away); order is all that counts.
    """
    found: dict[str, dict[int, list[tuple[tuple[str | int, ...], Any]]]] = {}
    for name in list(draft.attributes):
        place = _place(name)
        if place is not None and place[0] in prefixes:
            items = found.setdefault(place[0], {})
            items.setdefault(place[1], []).append((place[2], draft.attributes.pop(name)))
    return {prefix: [_tree(items[index]) for index in sorted(items)] for prefix, items in found.items()}


@lru_cache(maxsize=32_768)
def _place(name: str) -> Place | None:
    if len(name) > MAX_NAME_CHARS:
        return None
    segments = name.split(".")
    for i, segment in enumerate(segments):
        if segment.isdigit() and segment.isascii() and len(segment) <= MAX_INDEX_DIGITS:
            path = tuple(
                int(s) if s.isascii() and s.isdigit() and len(s) <= MAX_INDEX_DIGITS else s for s in segments[i + 1 :]
            )
            return ".".join(segments[:i]), int(segment), path
    return None


def _tree(pairs: list[tuple[tuple[str | int, ...], Any]]) -> Any:
    root: dict[Any, Any] = {}
    for path, value in pairs:
        if not path:
            return value
        node = root
        for step in path[:-1]:
            inner = node.get(step)
            if not isinstance(inner, dict):
                inner = node[step] = {}
            node = inner
        node[path[-1]] = value
    return _listed(root)


def _listed(node: Any) -> Any:
    """Objects whose keys are all indices, as lists."""
    if not isinstance(node, dict):
        return node
    if node and all(isinstance(key, int) for key in node):
        return [_listed(node[index]) for index in sorted(node)]
    return {str(key): _listed(value) for key, value in node.items()}
