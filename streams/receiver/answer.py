"""Answers in the request's own encoding, as the OTLP/HTTP specification wants them.

Source: OpenTelemetry protocol specification 1.5, "OTLP/HTTP Response": an `ExportTraceServiceResponse` for success
and partial success, a `google.rpc.Status` for failure, `Retry-After` on 503.
"""

from __future__ import annotations

from typing import Final

import orjson
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from streams.receiver.body import JSON, PROTOBUF, Encoding

INVALID_ARGUMENT: Final = 3
RESOURCE_EXHAUSTED: Final = 8
UNAVAILABLE: Final = 14
UNAUTHENTICATED: Final = 16
RPC_CODES = {400: INVALID_ARGUMENT, 401: UNAUTHENTICATED, 413: RESOURCE_EXHAUSTED, 415: INVALID_ARGUMENT}


def accepted(encoding: Encoding, rejected_spans: int = 0, message: str = "") -> web.Response:
    """200; with `rejected_spans`, a partial success that the client must not repeat."""
    if encoding == "json":
        partial = {"rejectedSpans": str(rejected_spans), "errorMessage": message}
        return web.Response(body=orjson.dumps({"partialSuccess": partial} if rejected_spans else {}), content_type=JSON)
    response = ExportTraceServiceResponse()
    if rejected_spans:
        response.partial_success.rejected_spans = rejected_spans
        response.partial_success.error_message = message
    return web.Response(body=response.SerializeToString(), content_type=PROTOBUF)


def refused(encoding: Encoding, status: int, message: str) -> web.Response:
    """An answer after which the client gives up."""
    return _status(encoding, status, RPC_CODES.get(status, INVALID_ARGUMENT), message)


def try_again(encoding: Encoding, after_s: float, message: str) -> web.Response:
    """503: the client keeps the spans and sends them again."""
    response = _status(encoding, 503, UNAVAILABLE, message)
    response.headers["Retry-After"] = str(max(1, round(after_s)))
    return response


def _status(encoding: Encoding, http_status: int, code: int, message: str) -> web.Response:
    if encoding == "json":
        body = orjson.dumps({"code": code, "message": message})
        return web.Response(body=body, status=http_status, content_type=JSON)
    return web.Response(body=_rpc_status(code, message), status=http_status, content_type=PROTOBUF)


def _rpc_status(code: int, message: str) -> bytes:
    """`google.rpc.Status`, two fields: not worth a dependency."""
    text = message.encode()
    return b"\x08" + _varint(code) + (b"\x12" + _varint(len(text)) + text if text else b"")


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
