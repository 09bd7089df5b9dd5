"""OTLP/JSON to plain spans.

Source: the OTLP specification, "JSON Protobuf Encoding": camelCase names, ids in hex, 64-bit integers as decimal
strings, enums as numbers, bytes as base64, unknown fields ignored. snake_case names, integers as numbers and enum
names are read as well, because they occur.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any

import orjson

from ..errors import InvalidRecord
from .raw import (
    MAX_INT64,
    MAX_UINT32,
    MAX_UINT64,
    MAX_VALUE_DEPTH,
    MIN_INT64,
    SPAN_ID_HEX_CHARS,
    TRACE_ID_HEX_CHARS,
    RawEvent,
    RawLink,
    RawScope,
    RawSpan,
    checked_ids,
    plain_float,
    too_deep,
)

MAX_INTEGER_DIGITS = 400
_HEX = frozenset("0123456789abcdef")
_KIND_NAMES = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_KINDS = {f"SPAN_KIND_{name}": i for i, name in enumerate(_KIND_NAMES)}
_STATUS = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}
_SNAKE: dict[str, str] = {}


def spans_of_json(data: bytes) -> Iterator[RawSpan]:
    """The spans of a request, in order.

    Raises
    ------
    InvalidRecord : ``undecodable``, ``not_otlp``, ``wrong_type``, ``too_deep`` or ``bad_id``.
    """
    for of_resource in _list(parse_json_request(data), "resourceSpans"):
        resource = _attributes(_object(of_resource, "resource"))
        scope_lists = _list(of_resource, "scopeSpans") or _list(of_resource, "instrumentationLibrarySpans")
        for of_scope in scope_lists:
            said = _object(of_scope, "scope") or _object(of_scope, "instrumentationLibrary")
            scope = RawScope(_text(said, "name"), _text(said, "version"), _attributes(said))
            for span in _list(of_scope, "spans"):
                yield _span(span, resource, scope)


def parse_json_request(data: bytes) -> dict[str, Any]:
    """The document, when it is an export request."""
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if "depth" in str(error) or "recursion" in str(error).lower():
            raise InvalidRecord("too_deep", "the JSON document is nested too deeply") from None
        raise InvalidRecord("undecodable", f"no JSON: {error}") from None
    if not isinstance(document, dict) or _get(document, "resourceSpans") is None:
        raise InvalidRecord("not_otlp", "JSON without resourceSpans")
    return document


def _span(span: dict[str, Any], resource: dict[str, Any], scope: RawScope) -> RawSpan:
    trace_id = _id(span, "traceId", TRACE_ID_HEX_CHARS)
    span_id = _id(span, "spanId", SPAN_ID_HEX_CHARS)
    parent_id = _id(span, "parentSpanId", SPAN_ID_HEX_CHARS)
    checked_ids(trace_id, span_id, parent_id)
    status = _object(span, "status")
    return RawSpan(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=parent_id if parent_id.strip("0") else None,
        trace_state=_text(span, "traceState"),
        flags=_uint32(span, "flags"),
        name=_text(span, "name"),
        kind=_enum(span, "kind", _KINDS),
        start_ns=_time(span, "startTimeUnixNano"),
        end_ns=_time(span, "endTimeUnixNano"),
        attributes=_attributes(span),
        events=[
            RawEvent(_text(e, "name"), _time(e, "timeUnixNano"), _attributes(e), _uint32(e, "droppedAttributesCount"))
            for e in _list(span, "events")
        ],
        links=[_link(link) for link in _list(span, "links")],
        status_code=_enum(status, "code", _STATUS),
        status_message=_text(status, "message"),
        dropped_attributes=_uint32(span, "droppedAttributesCount"),
        dropped_events=_uint32(span, "droppedEventsCount"),
        dropped_links=_uint32(span, "droppedLinksCount"),
        resource=resource,
        scope=scope,
    )


def _link(link: dict[str, Any]) -> RawLink:
    return RawLink(
        _id(link, "traceId", TRACE_ID_HEX_CHARS),
        _id(link, "spanId", SPAN_ID_HEX_CHARS),
        _text(link, "traceState"),
        _attributes(link),
        _uint32(link, "droppedAttributesCount"),
        _uint32(link, "flags"),
    )


def _attributes(holder: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for pair in _list(holder, "attributes"):
        key = pair.get("key", "")
        if not isinstance(key, str):
            raise _wrong("key", "a string")
        found[key] = _value(pair.get("value"), 1)
    return found


def _value(value: Any, depth: int) -> Any:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _wrong("value", 'an object such as {"stringValue": …}')
    for name, content in value.items():
        if content is None:
            continue
        reader = _READERS.get(name)
        if reader is not None:
            return reader(content, depth)
    return None


def _string_value(content: Any, depth: int) -> str:
    if not isinstance(content, str):
        raise _wrong("stringValue", "a string")
    return content


def _bool_value(content: Any, depth: int) -> bool:
    if not isinstance(content, bool):
        raise _wrong("boolValue", "true or false")
    return content


def _int_value(content: Any, depth: int) -> int | str:
    number = _integer(content, "intValue")
    return number if MIN_INT64 <= number <= MAX_INT64 else str(number)


def _double_value(content: Any, depth: int) -> float | str:
    if isinstance(content, str | int | float) and not isinstance(content, bool):
        try:
            return plain_float(float(content))
        except (ValueError, OverflowError):
            pass
    raise _wrong("doubleValue", "a number")


def _bytes_value(content: Any, depth: int) -> str:
    if isinstance(content, str):
        try:
            padded = content.replace("-", "+").replace("_", "/") + "=" * (-len(content) % 4)
            return b64encode(b64decode(padded, validate=True)).decode()
        except ValueError:  # no base64, or not even ASCII
            pass
    raise _wrong("bytesValue", "base64 text")


def _array_value(content: Any, depth: int) -> list[Any]:
    if depth >= MAX_VALUE_DEPTH:
        raise too_deep()
    return [_value(item, depth + 1) for item in _list(content, "values", of_objects=None)]


def _kvlist_value(content: Any, depth: int) -> dict[str, Any]:
    if depth >= MAX_VALUE_DEPTH:
        raise too_deep()
    return {str(pair.get("key", "")): _value(pair.get("value"), depth + 1) for pair in _list(content, "values")}


_READERS = {
    "stringValue": _string_value,
    "string_value": _string_value,
    "boolValue": _bool_value,
    "bool_value": _bool_value,
    "intValue": _int_value,
    "int_value": _int_value,
    "doubleValue": _double_value,
    "double_value": _double_value,
    "bytesValue": _bytes_value,
    "bytes_value": _bytes_value,
    "arrayValue": _array_value,
    "array_value": _array_value,
    "kvlistValue": _kvlist_value,
    "kvlist_value": _kvlist_value,
}


def _get(holder: dict[str, Any], name: str) -> Any:
    found = holder.get(name)
    if found is None:
        snake = _SNAKE.get(name)
        if snake is None:
            snake = _SNAKE[name] = "".join("_" + c.lower() if c.isupper() else c for c in name)
        found = holder.get(snake)
    return found


def _list(holder: Any, name: str, of_objects: type | None = dict) -> list[Any]:
    if not isinstance(holder, dict):
        raise _wrong(name, "inside an object")
    found = _get(holder, name)
    if found is None:
        return []
    if not isinstance(found, list) or (of_objects and not all(isinstance(item, dict) for item in found)):
        raise _wrong(name, "a list of objects")
    return found


def _object(holder: dict[str, Any], name: str) -> dict[str, Any]:
    found = _get(holder, name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _wrong(name, "an object")
    return found


def _text(holder: dict[str, Any], name: str) -> str:
    found = _get(holder, name)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise _wrong(name, "a string")
    return found


def _id(holder: dict[str, Any], name: str, length: int) -> str:
    found = _text(holder, name).lower()
    if found and (len(found) != length or not _HEX.issuperset(found)):
        raise InvalidRecord("bad_id", f"{name} is not {length} hex characters")
    return found


def _integer(content: Any, name: str) -> int:
    if isinstance(content, int) and not isinstance(content, bool):
        return content
    try:
        if isinstance(content, str) and len(content) <= MAX_INTEGER_DIGITS:
            return int(content)
        if isinstance(content, float) and content.is_integer():
            return int(content)
    except ValueError:
        pass
    raise _wrong(name, "an integer")


def _uint32(holder: dict[str, Any], name: str) -> int:
    found = _get(holder, name)
    return 0 if found is None else min(max(_integer(found, name), 0), MAX_UINT32)


def _time(holder: dict[str, Any], name: str) -> int:
    found = _get(holder, name)
    return 0 if found is None else min(max(_integer(found, name), 0), MAX_UINT64)


def _enum(holder: dict[str, Any], name: str, names: dict[str, int]) -> int:
    found = _get(holder, name)
    if found is None:
        return 0
    if isinstance(found, str) and found in names:
        return names[found]
    number = _integer(found, name)
    if not 0 <= number < 2**31:
        raise _wrong(name, "a small number")
    return number


def _wrong(name: str, wanted: str) -> InvalidRecord:
    return InvalidRecord("wrong_type", f"{name} must be {wanted}")
