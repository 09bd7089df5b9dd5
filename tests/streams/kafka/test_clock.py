"""Times of records and events, whatever clients say."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from streams.kafka.clock import MAX_SKEW, event_time, log_time, record_time

WRITTEN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def stamped(timestamp_ms: int) -> SimpleNamespace:
    return SimpleNamespace(timestamp=timestamp_ms)


def test_a_usual_timestamp_is_taken_as_it_is() -> None:
    assert record_time(stamped(1_767_225_600_500)) == datetime(2026, 1, 1, 0, 0, 0, 500_000, UTC)
    assert log_time(stamped(1_767_225_600_500)) == 1_767_225_600.5
    assert record_time(stamped(0)) == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("timestamp_ms", [-1, -(2**63)])
def test_no_timestamp_is_now(timestamp_ms: int) -> None:
    assert abs(record_time(stamped(timestamp_ms)) - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize("timestamp_ms", [4_102_444_800_000, 253_402_300_800_000, 2**63 - 1])
def test_the_future_is_five_minutes_away_at_most(timestamp_ms: int) -> None:
    ahead = record_time(stamped(timestamp_ms)) - datetime.now(UTC)
    assert MAX_SKEW - timedelta(seconds=5) < ahead <= MAX_SKEW
    assert abs(log_time(stamped(timestamp_ms)) - time.time()) < 5, "it must not make time pass for others"


def test_an_event_happened_about_when_its_record_was_written() -> None:
    near = WRITTEN - timedelta(minutes=4)
    assert event_time(near, WRITTEN) == near
    assert event_time(WRITTEN - timedelta(days=9), WRITTEN) == WRITTEN - MAX_SKEW
    assert event_time(datetime(9999, 12, 31, tzinfo=UTC), WRITTEN) == WRITTEN + MAX_SKEW
