"""OTLP/JSON records of one span, for tests."""

from __future__ import annotations

import base64
import math
from typing import Any

import orjson

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def json_record(attributes: Any = (), **span: Any) -> bytes:
    body = {
        "traceId": TRACE,
        "spanId": SPAN,
        "name": "s",
        "kind": 1,
        "startTimeUnixNano": "1700000000000000000",
        "endTimeUnixNano": "1700000001000000000",
        "attributes": [{"key": key, "value": value} for key, value in attributes],
        **span,
    }
    return orjson.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [body]}]}]})


def to_json(value: Any) -> Any:
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        special = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        return {"doubleValue": value if math.isfinite(value) else special}
    if isinstance(value, bytes):
        return {"bytesValue": base64.b64encode(value).decode()}
    if isinstance(value, list):
        return {"arrayValue": {"values": [to_json(item) for item in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": [{"key": k, "value": to_json(v)} for k, v in value.items()]}}
    return {"stringValue": value}
