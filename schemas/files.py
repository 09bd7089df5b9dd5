"""Files of traces, record by record: OTLP/JSON lines, OTLP protobuf, native JSON lines; gzipped or not.

Protobuf files come in three framings, told by their first byte: one ``ExportTraceServiceRequest`` (0x0A, read one
``ResourceSpans`` at a time), messages with a varint length before each, or, as the Collector's file exporter writes
them, with four bytes of length (0x00).
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal, NamedTuple

import orjson

from .errors import InvalidRecord

MAX_RECORD_BYTES = 64 * 1024 * 1024
_GZIP, _BOM = b"\x1f\x8b", b"\xef\xbb\xbf"
_RESOURCE_SPANS_TAG = 0x0A
_MAX_VARINT_BYTES = 5

Kind = Literal["otlp", "native"]


class FileRecord(NamedTuple):
    """A record of a file: what it holds, its bytes, and its line (or message number), counted from 1."""

    kind: Kind
    data: bytes
    line: int


def read_file(path: Path | str) -> Iterator[FileRecord | InvalidRecord]:
    """The records of a file, in order, a line or message at a time.

    A broken line is given as an `InvalidRecord` that names file and line (reasons ``undecodable``, ``not_a_trace``,
    ``too_big``), and reading goes on with the next; it is given, not raised, for a generator that raised is over.

    Raises
    ------
    OSError : the file cannot be opened.
    """
    path = Path(path)
    with opened(path) as file:
        try:
            yield from _records(file, path)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            yield InvalidRecord("undecodable", f"{path}: broken gzip: {error}")


def opened(path: Path) -> IO[bytes]:
    """The bytes of a file, unpacked where it is gzipped."""
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]


def _records(file: IO[bytes], path: Path) -> Iterator[FileRecord | InvalidRecord]:
    start = file.read(4096)
    file.seek(0)
    text = start.removeprefix(_BOM).lstrip()
    # A line feed is also the first byte of a protobuf request, and a brace its second where a part has 123 bytes.
    if text[:1] == b"[" or (text[:1] == b"{" and text[1:].lstrip()[:1] in (b'"', b"}", b"")):
        yield from _json_lines(file, path)
    elif start:
        yield from _messages(file, path, start[0])


def _json_lines(file: IO[bytes], path: Path) -> Iterator[FileRecord | InvalidRecord]:
    number = 0
    while line := file.readline(MAX_RECORD_BYTES + 1):
        number += 1
        if len(line) > MAX_RECORD_BYTES:
            yield _too_big(path, f"{number}")
            while line and not line.endswith(b"\n"):
                line = file.readline(MAX_RECORD_BYTES)
            continue
        line = line.removeprefix(_BOM).strip()
        if not line:
            continue
        try:
            yield FileRecord(_kind(line), line, number)
        except InvalidRecord as error:
            if number == 1 and line in (b"{", b"["):
                yield from _one_document(file, path, line)
                return
            yield InvalidRecord(error.reason, f"{path}:{number}: {error.detail}")


def _one_document(file: IO[bytes], path: Path, begun: bytes) -> Iterator[FileRecord | InvalidRecord]:
    """A file that is one indented document, or a list of documents."""
    data = begun + b"\n" + file.read(MAX_RECORD_BYTES + 1)
    if len(data) > MAX_RECORD_BYTES:
        yield _too_big(path, "1")
        return
    try:
        document = orjson.loads(data)
        for item in document if isinstance(document, list) else [document]:
            body = orjson.dumps(item)
            yield FileRecord(_kind(body), body, 1)
    except (orjson.JSONDecodeError, TypeError) as error:
        yield InvalidRecord("undecodable", f"{path}:1: no JSON: {error}")
    except InvalidRecord as error:
        yield InvalidRecord(error.reason, f"{path}:1: {error.detail}")


def _kind(line: bytes) -> Kind:
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InvalidRecord("undecodable", f"no JSON: {error}") from None
    if isinstance(document, dict):
        if "resourceSpans" in document or "resource_spans" in document:
            return "otlp"
        if "spans" in document or "trace_id" in document:
            return "native"
    raise InvalidRecord("not_a_trace", "neither OTLP (resourceSpans) nor a native trace (trace_id, spans)")


def _messages(file: IO[bytes], path: Path, first: int) -> Iterator[FileRecord | InvalidRecord]:
    whole = first == _RESOURCE_SPANS_TAG
    number = 0
    while True:
        number += 1
        if whole:
            tag = file.read(1)
            if not tag:
                return
            if tag[0] != _RESOURCE_SPANS_TAG:
                yield InvalidRecord("undecodable", f"{path}:{number}: no OTLP protobuf: unknown field")
                return
        size = _fixed_length(file) if first == 0 else _varint(file)
        if size is None:
            return
        if size < 0:
            yield InvalidRecord("undecodable", f"{path}:{number}: broken length")
            return
        if size > MAX_RECORD_BYTES:
            yield _too_big(path, f"{number}")
            file.seek(size, 1)
            continue
        body = file.read(size)
        if not size:
            continue
        if len(body) < size:
            yield InvalidRecord("undecodable", f"{path}:{number}: the file ends inside a message")
            return
        yield FileRecord("otlp", bytes([_RESOURCE_SPANS_TAG]) + _encoded(size) + body if whole else body, number)


def _fixed_length(file: IO[bytes]) -> int | None:
    prefix = file.read(4)
    if not prefix:
        return None
    return int.from_bytes(prefix, "big") if len(prefix) == 4 else -1


def _varint(file: IO[bytes]) -> int | None:
    """A length; None at the end of the file, -1 when it is broken."""
    value = 0
    for i in range(_MAX_VARINT_BYTES):
        byte = file.read(1)
        if not byte:
            return None if i == 0 else -1
        value |= (byte[0] & 0x7F) << (7 * i)
        if byte[0] < 0x80:
            return value
    return -1


def _encoded(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _too_big(path: Path, where: str) -> InvalidRecord:
    return InvalidRecord("too_big", f"{path}:{where}: over {MAX_RECORD_BYTES} bytes")
