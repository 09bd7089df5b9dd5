"""An OTLP export request as Kafka records: one a trace, keyed by the trace id, none larger than the topic takes."""

from __future__ import annotations

from typing import NamedTuple

from schemas.otlp import Encoding, raw_split
from schemas.otlp.raw import RawSpan
from schemas.otlp.wire import read_spans
from schemas.otlp.wire_proto import encode_spans

RECORD_OVERHEAD_BYTES = 512  # of key, headers and the batch around a record


class Prepared(NamedTuple):
    """Records as (trace id, bytes); `too_large` counts the spans that no record can hold."""

    records: list[tuple[str, bytes]]
    too_large: int


def prepare(body: bytes, encoding: Encoding, max_record_bytes: int) -> Prepared:
    """One record for each trace, the body itself when it holds one; a trace that is too large in several records.

    Raises
    ------
    InvalidRecord : the body is not OTLP.
    """
    room = max_record_bytes - RECORD_OVERHEAD_BYTES
    parts = raw_split(body, encoding)
    if len(parts) == 1 and len(body) <= room:
        return Prepared([(next(iter(parts)), body)], 0)
    records: list[tuple[str, bytes]] = []
    too_large = 0
    for trace_id, part in parts.items():
        if len(part) <= room:
            records.append((trace_id, part))
            continue
        pieces, left_over = _pieces(list(read_spans(part, "proto")), room)
        records += [(trace_id, piece) for piece in pieces]
        too_large += left_over
    return Prepared(records, too_large)


def _pieces(spans: list[RawSpan], room: int) -> tuple[list[bytes], int]:
    """The spans in as few halvings as fit, and how many fit nowhere."""
    encoded = encode_spans(spans)
    if len(encoded) <= room:
        return [encoded], 0
    if len(spans) == 1:
        return [], 1
    middle = len(spans) // 2
    first, lost_first = _pieces(spans[:middle], room)
    second, lost_second = _pieces(spans[middle:], room)
    return first + second, lost_first + lost_second
