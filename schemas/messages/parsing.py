"""JSON (and Python literals) inside of strings: parsed where possible, left as text where not."""

from __future__ import annotations

import ast
from typing import Any

import orjson

MAX_DEPTH = 100
MAX_PYTHON_CHARS = 200_000
# orjson writes 254 levels and pydantic reads about 200: what is nested deeper than MAX_DEPTH could be stored by
# nobody, so it stays text. Wrapping a value in this many lists makes orjson refuse it exactly then.
_WRAPPING = 254 - MAX_DEPTH
_OPENING = frozenset('{["')


def parse_json(text: str, default: Any = None) -> Any:
    """The object, array or string in a text; `default` when there is none or it is nested too deeply.

    Bare numbers, ``true`` and ``null`` are left alone: as content they are more often words than values.
    """
    if text[:1] not in _OPENING and text.lstrip()[:1] not in _OPENING:
        return default
    try:
        found = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return default
    return found if storable(found, text.count("{") + text.count("[")) else default


def storable(value: Any, brackets: int = MAX_DEPTH) -> bool:
    """Whether a value can be written as JSON and is at most `MAX_DEPTH` levels deep.

    Parameters
    ----------
    brackets : opening brackets in its text, when known: fewer than the limit cannot be too deep.
    """
    if brackets < MAX_DEPTH:
        return True
    for _ in range(_WRAPPING):
        value = [value]
    try:
        orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        return False
    return True


def parse_python(text: str, default: Any = None) -> Any:
    """The literal in a Python `repr` of plain data, which some clients write instead of JSON."""
    if len(text) > MAX_PYTHON_CHARS or text[:1] not in ("{", "["):
        return default
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return default
    if not storable(found):
        return default
    # Tuples, other keys than text and infinities are no JSON: what is held must survive being written.
    return orjson.loads(orjson.dumps(found, option=orjson.OPT_NON_STR_KEYS))
