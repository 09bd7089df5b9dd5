"""Small traces from attributes, for tests."""

from __future__ import annotations

import json
from typing import Any

import orjson

from schemas.otlp import decode
from schemas.trace import Span, Trace
from tests.schemas.recorded import HASHER, whole

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARIS = {"city": "Paris"}
CHAT = {"gen_ai.operation.name": "chat"}
TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "t"}
PARTS_CALL = {"role": "assistant", "parts": [{"type": "tool_call", "id": "c", "name": "f", "arguments": PARIS}]}


def _value(value: Any) -> Any:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    return {"stringValue": value if isinstance(value, str) else json.dumps(value)}


def _pairs(attributes: dict[str, Any]) -> list[Any]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def read(*spans: dict[str, Any], **attributes: Any) -> Trace:
    """A trace of spans, each a dict of attributes with ``_name``, ``_parent``, ``_events``, ``_dropped``, ``_status``."""
    made = []
    for i, span in enumerate(spans or (attributes,), start=1):
        made.append(
            {
                "traceId": TRACE,
                "spanId": f"{i:016x}",
                "parentSpanId": f"{span['_parent']:016x}" if "_parent" in span else "",
                "name": span.get("_name", "s"),
                "startTimeUnixNano": str(1_700_000_000_000_000_000 + i * 1_000_000),
                "endTimeUnixNano": str(1_700_000_001_000_000_000),
                "attributes": _pairs({k: v for k, v in span.items() if not k.startswith("_")}),
                "events": [
                    {"name": name, "timeUnixNano": "1700000000500000000", "attributes": _pairs(said)}
                    for name, said in span.get("_events", ())
                ],
                "droppedAttributesCount": span.get("_dropped", 0),
                "status": {"code": span.get("_status", 0)},
            }
        )
    return whole(decode(orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": made}]}]}), HASHER))


def span_of(attributes: dict[str, Any]) -> tuple[Trace, Span]:
    trace = read(attributes)
    return trace, trace.spans[0]


def said(trace: Trace, span: Span) -> list[tuple[str, str]]:
    return [(m.role, m.content) for m in (*trace.inputs(span), *trace.outputs(span))]
