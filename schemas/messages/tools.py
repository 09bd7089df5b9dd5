"""Tool definitions of every shape as ``{"name", "description"?, "parameters"?}``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .parsing import parse_json

_SCHEMA_NAMES = ("parameters", "input_schema", "inputSchema", "parameters_json_schema", "parametersJsonSchema")


def read_tool_definitions(value: Any) -> tuple[dict[str, Any], ...]:
    """The definitions in a value: OpenAI's (nested or flat), Anthropic's, Bedrock's, Google's, MCP's, or their JSON."""
    return tuple(found for item in _items(value) if (found := _definition(item)) is not None)


def _items(value: Any) -> Iterator[Any]:
    if isinstance(value, str):
        value = parse_json(value)
    if isinstance(value, dict):
        value = value.get("tools", value.get("function_tools", [value]))
    for item in value if isinstance(value, list) else []:
        if isinstance(item, str):
            item = parse_json(item)
        if not isinstance(item, dict):
            continue
        declared = item.get("function_declarations", item.get("functionDeclarations"))
        if isinstance(declared, list):
            yield from declared
        else:
            yield item


def _definition(item: Any) -> dict[str, Any] | None:
    if not isinstance(item, dict):
        return None
    for name in ("function", "toolSpec"):
        if isinstance(item.get(name), dict):
            item = item[name]
    name = item.get("name")
    if not isinstance(name, str) or not name:
        return None
    found: dict[str, Any] = {"name": name}
    if isinstance(item.get("description"), str) and item["description"]:
        found["description"] = item["description"]
    schema = next((item[key] for key in _SCHEMA_NAMES if item.get(key)), None)
    if isinstance(schema, str):
        schema = parse_json(schema)
    if isinstance(schema, dict):
        inner = schema.get("json")
        found["parameters"] = inner if schema.keys() == {"json"} and isinstance(inner, dict) else schema
    return found
