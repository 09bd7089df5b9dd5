"""OTLP bytes to plain spans, whatever their encoding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from ..errors import InvalidRecord
from .raw import RawSpan
from .wire_json import spans_of_json
from .wire_proto import encode_spans, spans_of_proto, split_proto

Encoding = Literal["auto", "proto", "json"]
_BLANK = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"


def read_spans(data: bytes, encoding: Encoding = "auto") -> Iterator[RawSpan]:
    """The spans of an export request, in order; none when it holds none.

    Raises
    ------
    InvalidRecord : reasons ``undecodable``, ``not_otlp``, ``wrong_type``, ``too_deep``, ``bad_id``. One bad span
        refuses the record: half of a record is never taken.
    """
    if (encoding == "auto" and _is_json(data)) or encoding == "json":
        return spans_of_json(data.removeprefix(_BOM))
    return spans_of_proto(data)


def raw_split(data: bytes, encoding: Encoding = "auto") -> dict[str, bytes]:
    """A record that holds several traces as one OTLP protobuf request per trace id, in order of appearance.

    The spans of a part have the digests they have in the whole.

    Raises
    ------
    InvalidRecord : as `read_spans`.
    """
    if (encoding == "auto" and not _is_json(data)) or encoding == "proto":
        return split_proto(data)
    found: dict[str, list[RawSpan]] = {}
    for span in read_spans(data, "json"):
        found.setdefault(span.trace_id, []).append(span)
    return {trace_id: encode_spans(spans) for trace_id, spans in found.items()}


def _is_json(data: bytes) -> bool:
    """Whether the bytes are meant as JSON.

    A protobuf request begins with 0x0A, a line feed to JSON: after blanks, a brace alone proves nothing (a
    ResourceSpans of 123 bytes), so the bytes must then parse as JSON's beginning and not as protobuf.
    """
    if data[:1] == b"{" or data.startswith(_BOM):
        return True
    if data[:1] not in (b" ", b"\t", b"\r", b"\n") or data.lstrip(_BLANK)[:1] != b"{":
        return False
    try:
        for _ in spans_of_proto(data):
            return False
    except InvalidRecord:
        pass
    return True
