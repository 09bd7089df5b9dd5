"""The body of a request: read within a limit, and decompressed within the same limit.

A compressed body may be a bomb: it is inflated piece by piece and refused as soon as it passes the limit.
"""

from __future__ import annotations

import zlib
from typing import Literal

from aiohttp import web

Encoding = Literal["proto", "json"]
PROTOBUF, JSON = "application/x-protobuf", "application/json"
ENCODINGS: dict[str, Encoding] = {PROTOBUF: "proto", JSON: "json"}
CHUNK_BYTES = 64 * 1024
GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
COMPRESSIONS = ("gzip", "deflate", "identity", "")


class Refused(Exception):
    """The request cannot be taken, and sending it again would not help.

    Parameters
    ----------
    status : the HTTP status.
    reason : a short stable word, for counters.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        self.status, self.reason, self.message = status, reason, message
        super().__init__(message)


def encoding_of(request: web.Request) -> Encoding:
    """How the body is encoded; refuses with 415 what is neither protobuf nor JSON, or compressed unknowingly."""
    encoding = ENCODINGS.get(request.content_type)
    if encoding is None:
        raise Refused(415, "content_type", f"Content-Type must be {PROTOBUF} or {JSON}")
    if request.headers.get("Content-Encoding", "").strip().lower() not in COMPRESSIONS:
        raise Refused(415, "content_encoding", "Content-Encoding must be gzip, deflate or identity")
    return encoding


async def read_body(request: web.Request, limit: int) -> bytes:
    """The bytes as they were before compression.

    Raises
    ------
    Refused : 413 beyond `limit` bytes, compressed or not; 400 for a broken compression.
    """
    if request.content_length is not None and request.content_length > limit:
        raise Refused(413, "too_large", f"the body is larger than {limit} bytes")
    compressed = request.headers.get("Content-Encoding", "").strip().lower() in ("gzip", "deflate")
    inflate = zlib.decompressobj(GZIP_OR_ZLIB) if compressed else None
    parts: list[bytes] = []
    left = limit
    async for chunk in request.content.iter_chunked(CHUNK_BYTES):
        piece = chunk if inflate is None else _inflated(inflate, chunk, left)
        left -= len(piece)
        if left < 0 or (inflate is not None and inflate.unconsumed_tail):
            raise Refused(413, "too_large", f"the body is larger than {limit} bytes")
        parts.append(piece)
    if inflate is not None and not inflate.eof:
        raise Refused(400, "undecodable", "the compressed body is cut short")
    return b"".join(parts)


def _inflated(inflate: zlib._Decompress, chunk: bytes, left: int) -> bytes:
    try:
        return inflate.decompress(chunk, left + 1)
    except zlib.error as error:
        raise Refused(400, "undecodable", f"the compressed body is broken: {error}") from None
