"""The plain form of a span: what protobuf and JSON have in common, before redaction and before any dialect.

Both encodings of one span come to equal `RawSpan` objects, hence to equal digests:

- bytes are base64 text; NaN and the infinities are the texts ``NaN``, ``Infinity`` and ``-Infinity``, as in OTLP/JSON;
- an integer that does not fit 64 bits (JSON only) stays the text it was;
- times are clamped to [0, 2^64) nanoseconds here, and to the years that a datetime knows in `moment`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ..errors import InvalidRecord
from ..ids import Hasher

MAX_VALUE_DEPTH = 40
MAX_UINT64 = 2**64 - 1
MAX_UINT32 = 2**32 - 1
MAX_INT64 = 2**63 - 1
MIN_INT64 = -(2**63)
FLAG_HAS_REMOTE, FLAG_REMOTE = 0x100, 0x200
TRACE_ID_HEX_CHARS, SPAN_ID_HEX_CHARS = 32, 16

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)
_LAST_US = (_LAST - _EPOCH) // timedelta(microseconds=1)


@dataclass(slots=True)
class RawEvent:
    """A span event."""

    name: str
    time_ns: int
    attributes: dict[str, Any]
    dropped: int = 0

    def plain(self) -> list[Any]:
        return [self.name, self.time_ns, self.attributes, self.dropped]


@dataclass(slots=True)
class RawLink:
    """A link to another span; its ids are hex and may be empty."""

    trace_id: str
    span_id: str
    trace_state: str
    attributes: dict[str, Any]
    dropped: int = 0
    flags: int = 0

    def plain(self) -> list[Any]:
        return [self.trace_id, self.span_id, self.trace_state, self.attributes, self.dropped, self.flags]


@dataclass(slots=True)
class RawScope:
    """The instrumentation that made a span."""

    name: str = ""
    version: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class RawSpan:
    """One span as it came over the wire. Ids are lower-case hex, times nanoseconds since 1970."""

    trace_id: str
    span_id: str
    parent_id: str | None
    trace_state: str
    flags: int
    name: str
    kind: int
    start_ns: int
    end_ns: int
    attributes: dict[str, Any]
    events: list[RawEvent]
    links: list[RawLink]
    status_code: int
    status_message: str
    dropped_attributes: int
    dropped_events: int
    dropped_links: int
    resource: Mapping[str, Any]
    scope: RawScope

    @property
    def remote_parent(self) -> bool:
        """Whether the flags say that the parent is in another process (OTLP `SpanFlags`)."""
        return self.flags & (FLAG_HAS_REMOTE | FLAG_REMOTE) == FLAG_HAS_REMOTE | FLAG_REMOTE

    def digest(self, hasher: Hasher) -> str:
        """The keyed digest of all that was said, the resource included."""
        return hasher.digest(
            [
                self.trace_id,
                self.span_id,
                self.parent_id,
                self.trace_state,
                self.flags,
                self.name,
                self.kind,
                self.start_ns,
                self.end_ns,
                self.attributes,
                [event.plain() for event in self.events],
                [link.plain() for link in self.links],
                [self.status_code, self.status_message],
                [self.dropped_attributes, self.dropped_events, self.dropped_links],
                self.resource,
                [self.scope.name, self.scope.version, self.scope.attributes],
            ]
        )


def moment(time_ns: int) -> datetime:
    """A time as datetime, cut to microseconds; what lies past the year 9999 becomes its last moment."""
    return _EPOCH + timedelta(microseconds=min(time_ns // 1000, _LAST_US))


def plain_float(value: float) -> float | str:
    """A float that JSON can hold, or its name."""
    if value - value == 0:
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def checked_ids(trace_id: str, span_id: str, parent_id: str) -> None:
    """Refuse ids that are absent or all zero (W3C trace context calls those invalid), and a parent's of another length.

    Raises
    ------
    InvalidRecord : reason ``bad_id``.
    """
    if not trace_id.strip("0") or len(trace_id) != TRACE_ID_HEX_CHARS:
        raise InvalidRecord("bad_id", f"trace id is not {TRACE_ID_HEX_CHARS} hex characters other than zero")
    if not span_id.strip("0") or len(span_id) != SPAN_ID_HEX_CHARS:
        raise InvalidRecord("bad_id", f"span id is not {SPAN_ID_HEX_CHARS} hex characters other than zero")
    if parent_id and len(parent_id) != SPAN_ID_HEX_CHARS:
        raise InvalidRecord("bad_id", f"parent span id is not {SPAN_ID_HEX_CHARS} hex characters")


def too_deep() -> InvalidRecord:
    return InvalidRecord("too_deep", f"attribute values are nested more than {MAX_VALUE_DEPTH} levels deep")
