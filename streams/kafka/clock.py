"""Times of records and events, made safe: clients' clocks are wrong and some send nonsense."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

MAX_SKEW = timedelta(minutes=5)


def record_time(record: Any) -> datetime:
    """When a record was written, by its timestamp; never later than five minutes from now.

    A negative timestamp is Kafka's word for none: the record is taken as written now.
    """
    now = datetime.now(UTC)
    if record.timestamp < 0:
        return now
    try:
        return min(datetime.fromtimestamp(record.timestamp / 1000, UTC), now + MAX_SKEW)
    except (OverflowError, ValueError, OSError):
        return now + MAX_SKEW


def log_time(record: Any) -> float:
    """When a record was written, in seconds since 1970, and never later than now: one from the future must not make
    its partition's time pass for the others."""
    return min(record_time(record).timestamp(), time.time())


def event_time(claimed: datetime, written: datetime) -> datetime:
    """When something happened: as claimed, but within five minutes of when its record was written."""
    return min(max(claimed, written - MAX_SKEW), written + MAX_SKEW)
