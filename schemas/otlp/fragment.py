"""What one record says about one trace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidRecord
from ..ids import Hasher
from ..merge import join
from ..messages import MessageBook
from ..trace import Message, Span
from .span import read_span
from .wire import Encoding, read_spans


@dataclass(frozen=True, slots=True)
class TraceFragment:
    """The spans of one trace in one record, decoded, with the messages and tool sets that they name."""

    trace_id: str
    spans: tuple[Span, ...]
    messages: Mapping[str, Message]
    tool_sets: Mapping[str, tuple[Mapping[str, Any], ...]]
    resource: Mapping[str, Any]


def decode(data: bytes, hasher: Hasher, encoding: Encoding = "auto") -> list[TraceFragment]:
    """A record as fragments, one a trace id, in order of appearance.

    Raises
    ------
    InvalidRecord : reasons ``undecodable``, ``not_otlp``, ``wrong_type``, ``too_deep``, ``bad_id``.
    """
    book = MessageBook(hasher)
    spans: dict[str, list[Span]] = {}
    resources: dict[str, Mapping[str, Any]] = {}
    try:
        for raw in read_spans(data, encoding):
            spans.setdefault(raw.trace_id, []).append(read_span(raw, hasher, book))
            held = resources.setdefault(raw.trace_id, raw.resource)
            if held is not raw.resource:
                resources[raw.trace_id] = join(held, raw.resource)
    except RecursionError:
        raise InvalidRecord("too_deep", "the record is nested too deeply") from None
    return [_fragment(trace_id, found, resources[trace_id], book) for trace_id, found in spans.items()]


def _fragment(trace_id: str, spans: list[Span], resource: Mapping[str, Any], book: MessageBook) -> TraceFragment:
    named = {digest for span in spans for digest in (*span.input_messages, *span.output_messages)}
    sets = {span.tool_set for span in spans if span.tool_set}
    return TraceFragment(
        trace_id=trace_id,
        spans=tuple(spans),
        messages={digest: message for digest, message in book.messages.items() if digest in named},
        tool_sets={digest: book.tool_sets[digest] for digest in sorted(sets)},
        resource=resource,
    )
