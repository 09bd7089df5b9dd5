"""Times of records and events, made safe: clients' clocks are wrong and some send nonsense."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

MAX_SKEW = timedelta(minutes=5)
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


def record_time(record: Any) -> datetime:
    """When a record was written, by its timestamp; never later than five minutes from now."""
    latest = datetime.now(UTC) + MAX_SKEW
    try:
        found = datetime.fromtimestamp(record.timestamp / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return EARLIEST if record.timestamp < 0 else latest
    return min(max(found, EARLIEST), latest)


def event_time(claimed: datetime, written: datetime) -> datetime:
    """When something happened: as claimed, but within five minutes of when its record was written."""
    return min(max(claimed, written - MAX_SKEW), written + MAX_SKEW)
