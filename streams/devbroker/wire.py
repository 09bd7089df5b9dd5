"""Frames on the wire: what a client sent, and what it is sent back."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from io import BytesIO
from typing import Any

from kafka.protocol.api_header import RequestHeader

from schemas.errors import EvalstreamError
from streams.devbroker.answers.call import Call
from streams.devbroker.api import API_VERSIONS_KEY, APIS, Api

MAX_REQUEST_BYTES = 64 << 20
MAX_SMALL_REQUEST_BYTES = 4 << 20  # of every request that carries no records
MAX_HEADER_BYTES = 64 << 10
PRODUCE_KEY = 0

_ROUTE = struct.Struct(">hhi")  # API key, version, correlation id: the same in every header


class BadRequest(EvalstreamError):
    """Not a request that can be answered; the connection is closed, as Kafka does."""


class UnknownApiVersions(EvalstreamError):
    """An ApiVersions request of an unknown version: the one request that is answered all the same."""

    def __init__(self, correlation_id: int) -> None:
        self.correlation_id = correlation_id
        super().__init__()


def decode(frame: bytes) -> tuple[Api, Any, Call, int]:
    """Read one request: its kind, body, call and correlation id.

    Raises
    ------
    BadRequest, UnknownApiVersions : see there.
    """
    if len(frame) < _ROUTE.size:
        raise BadRequest(f"a request of {len(frame)} bytes")
    key, version, correlation_id = _ROUTE.unpack_from(frame)
    api = APIS.get(key)
    if api is None:
        raise BadRequest(f"unknown API key {key}")
    if not api.versions[0] <= version <= api.versions[1]:
        if key == API_VERSIONS_KEY:
            raise UnknownApiVersions(correlation_id)
        raise BadRequest(f"{api.request.name} version {version} is not in {api.versions}")
    if key != PRODUCE_KEY and len(frame) > MAX_SMALL_REQUEST_BYTES:
        raise BadRequest(f"{api.request.name} of {len(frame)} bytes")
    try:
        head = BytesIO(frame[:MAX_HEADER_BYTES])
        header = RequestHeader.decode(head, flexible=api.request.flexible_version_q(version))
        body = api.request.decode(memoryview(frame)[head.tell() :], version=version)
    except Exception as error:  # whatever the decoder stumbles over, it is the sender's fault
        raise BadRequest(f"{api.request.name} version {version} cannot be read: {error!r}") from error
    missing = _illegal_null(body, body.fields.values(), version)
    if missing:
        raise BadRequest(f"{api.request.name} version {version} says null for {missing}")
    return api, body, Call(version, header.client_id or ""), correlation_id


def encode(response: Any, version: int, correlation_id: int) -> tuple[bytes, bytes]:
    """Return a response as two pieces: length and header, and body."""
    body = response.encode(version=version)
    tagged = b"\0" if response.API_KEY != API_VERSIONS_KEY and response.flexible_version_q(version) else b""
    return struct.pack(">ii", 4 + len(tagged) + len(body), correlation_id) + tagged, body


def _illegal_null(data: Any, fields: Iterable[Any], version: int) -> str | None:
    """Name of a field that is null and may not be, which the decoder lets pass."""
    for field in fields:
        if not field.for_version_q(version) or field.tag is not None:
            continue
        value = getattr(data, field.name)
        if value is None and not field.nullable_for_version_q(version):
            return field.name
        if field.is_struct_array():
            for each in value or ():
                missing = _illegal_null(each, field.fields.values(), version)
                if missing:
                    return missing
    return None
