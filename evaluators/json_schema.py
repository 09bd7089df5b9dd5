"""JSON Schema on untrusted schemas and values: no network, linear-time patterns, bounded depth."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import jsonschema_rs
import orjson

from .depth import TooDeep, is_deeper

MAX_DEPTH = 128
MAX_BACKTRACKS = 10_000
MAX_CACHED = 2_048
MAX_PLAIN_REFERENCES = 12
MAX_EXPANDED_NODES = 200_000
MAX_MESSAGE_CHARS = 300


class Problem(NamedTuple):
    """Where a value breaks its schema, and how."""

    path: str
    message: str


class UnusableSchema(ValueError):
    """The schema itself is wrong, or uses what is not supported."""


def validator_of(schema: Any) -> Any:
    """The compiled validator of a schema; equal schemas are compiled once.

    Raises
    ------
    UnusableSchema
    """
    try:
        return _compiled(orjson.dumps(schema, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=dict))
    except (TypeError, RecursionError) as error:
        raise UnusableSchema(f"the schema is no JSON: {error}") from None


def first_problem(validator: Any, value: Any) -> Problem | None:
    """The first way in which `value` breaks the schema.

    Raises
    ------
    TooDeep
    """
    if is_deeper(value, MAX_DEPTH):
        raise TooDeep(f"nested deeper than {MAX_DEPTH} levels")
    for error in validator.iter_errors(value):
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path)
        return Problem(path, error.message[:MAX_MESSAGE_CHARS])
    return None


@lru_cache(maxsize=MAX_CACHED)
def _compiled(schema: bytes) -> Any:
    value = orjson.loads(schema)
    if is_deeper(value, MAX_DEPTH):
        raise UnusableSchema(f"the schema is nested deeper than {MAX_DEPTH} levels")
    if schema.count(b'"$ref"') > MAX_PLAIN_REFERENCES and _expanded_size(value) > MAX_EXPANDED_NODES:
        raise UnusableSchema("the schema's references multiply without end")
    # Look-around needs the backtracking engine: then within a limit.
    options = (jsonschema_rs.RegexOptions(), jsonschema_rs.FancyRegexOptions(backtrack_limit=MAX_BACKTRACKS))
    error: Exception | None = None
    for pattern_options in options:
        try:
            return jsonschema_rs.validator_for(value, pattern_options=pattern_options, offline=True)
        except (ValueError, TypeError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as failed:
            error = error or failed
    raise UnusableSchema(str(error).splitlines()[0][:MAX_MESSAGE_CHARS])


def _expanded_size(schema: Any) -> int:
    """Nodes of a schema with every local reference written out once more at each use: validating may visit them all.

    A reference to something that is being expanded counts as one node: such recursion ends with the value.
    """
    sizes: dict[str, int] = {}

    def size(node: Any) -> int:
        total = 1
        if isinstance(node, dict):
            for key, child in node.items():
                if key == "$ref" and isinstance(child, str):
                    total += referred(child)
                elif key not in ("$defs", "definitions"):
                    total += size(child)
        elif isinstance(node, list):
            total += sum(map(size, node))
        return min(total, MAX_EXPANDED_NODES + 1)

    def referred(pointer: str) -> int:
        if pointer not in sizes:
            sizes[pointer] = 1
            sizes[pointer] = size(_at(schema, pointer))
        return sizes[pointer]

    return size(schema)


def _at(schema: Any, pointer: str) -> Any:
    """What a JSON pointer fragment (RFC 6901) or an anchor refers to; nothing when there is none."""
    node = schema
    for part in pointer.removeprefix("#").split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        if isinstance(node, dict) and part in node:
            node = node[part]
        elif isinstance(node, list) and part.isdigit() and int(part) < len(node):
            node = node[int(part)]
        else:
            return None
    return node
