"""The shape of a JSON value: which types stand at which paths, without any value.

A path is written as in JSONPath below the root `$`: `.key`, `['odd key']`, `[]` for the items of an array, `.*` for keys
that are data themselves (ids, dates). Types are those of JSON Schema by their first letters, `z` for null.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from schemas.patterns import compiled

MAX_DEPTH = 8
MAX_KEYS = 100
MAX_ITEMS = 50
MAX_PATHS = 400
MAX_KEY_CHARS = 60
KEYS_REMEMBERED = 8_192
TYPE_NAMES = {"o": "object", "a": "array", "s": "string", "n": "number", "b": "boolean", "z": "null"}
ROOT = "$"
ANY_KEY = ".*"
QUOTED = "'.[]"
SOMETIMES = "?"

_PLAIN_KEY = compiled(r"\A[A-Za-z_$][\w$-]*\z")
_ID_KEY = compiled(r"\d{4}|^\d+$|@|^[0-9a-fA-F-]{16,}$|[/:]")

Shape = Mapping[str, str]
"""Types by path, sorted letters; with `?` behind them where only some of the objects at the parent's path have the key."""


def shape_of(value: Any) -> Shape:
    """The shape of a value; what is deeper, wider or longer than the limits is left out."""
    found: dict[str, set[str]] = {}
    partial: set[str] = set()
    _visit([value], ROOT, 0, found, partial)
    return {path: "".join(sorted(types)) + SOMETIMES * (path in partial) for path, types in found.items()}


def written(shape: Shape) -> str:
    """A shape as text: a line for each path, parents first."""
    return "\n".join(f"{types} {path}" for path, types in shape.items())


def read(text: str) -> dict[str, str]:
    """What `written` wrote.

    Raises
    ------
    ValueError : it is no shape.
    """
    found: dict[str, str] = {}
    for line in text.split("\n"):
        types, _, path = line.partition(" ")
        if not types or not set(types) <= {*TYPE_NAMES, SOMETIMES} or not path.startswith(ROOT):
            raise ValueError("no shape")
        found[path] = types
    return found


@lru_cache(maxsize=KEYS_REMEMBERED)
def parent_of(path: str) -> str:
    """The path of the object or array that a path stands in; empty for the root."""
    if path.endswith("[]"):
        return path[:-2]
    if path.endswith("']"):
        return path[: path.rindex("['")]
    return path[: path.rindex(".")] if "." in path else ""


@lru_cache(maxsize=KEYS_REMEMBERED)
def step_to(key: str) -> str:
    """What a key adds to the path of its object; `.*` where the key is itself data."""
    whole = key.encode("utf-8", "replace").decode()
    if _ID_KEY.search(whole):
        return ANY_KEY
    short = whole if len(whole) <= MAX_KEY_CHARS else whole[: MAX_KEY_CHARS - 1] + "…"
    if _PLAIN_KEY.search(short):
        return f".{short}"
    return f"['{''.join(c if c.isprintable() and c not in QUOTED else '_' for c in short)}']"


def type_of(value: Any) -> str:
    """The letter of a value's type."""
    if value is None:
        return "z"
    if isinstance(value, bool):
        return "b"
    if isinstance(value, int | float):
        return "n"
    if isinstance(value, dict):
        return "o"
    return "a" if isinstance(value, list | tuple) else "s"


def _visit(values: list[Any], path: str, depth: int, found: dict[str, set[str]], partial: set[str]) -> None:
    """Note all values that stand at one path, then what is below them."""
    if len(found) >= MAX_PATHS and path not in found:
        return
    found.setdefault(path, set()).update(type_of(value) for value in values)
    if depth >= MAX_DEPTH:
        return
    objects = [value for value in values if isinstance(value, dict)]
    below: dict[str, list[Any]] = {}
    for place, value in enumerate(objects):
        for child, item in _children(value, path):
            held = below.setdefault(child, [])
            if place and not held:
                partial.add(child)
            held.append(item)
    for child, items in below.items():
        if len(items) < len(objects) and not child.endswith(ANY_KEY):
            partial.add(child)
        elif child.endswith(ANY_KEY):
            partial.discard(child)
        _visit(items[:MAX_ITEMS], child, depth + 1, found, partial)
    items = [item for value in values if isinstance(value, list | tuple) for item in value[:MAX_ITEMS]]
    if items:
        _visit(items[:MAX_ITEMS], f"{path}[]", depth + 1, found, partial)


def _children(value: Mapping[Any, Any], path: str) -> Iterator[tuple[str, Any]]:
    many = len(value) > MAX_KEYS
    for index, (key, item) in enumerate(value.items()):
        if index >= 2 * MAX_KEYS:
            return
        yield path + (ANY_KEY if many else step_to(str(key))), item
