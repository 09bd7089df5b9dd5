"""The window of an alert rule in one segment: buckets of event time, or of the last N observations.

A time window ends at the watermark, the latest event time seen in the segment, and holds 30 buckets: it covers between
29/30 and all of `window_s`. A bucket closes when the watermark has passed its end by `allowed_lateness_s`; what comes
later is not taken. A count window holds the last N in order of arrival: exactly for N up to 30, else to within the block
of N / 30 that is dropped at once.

Sums over closed buckets are always folded in bucket order, so that a restored window goes on bit for bit.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from drift.alerts import quantile
from drift.alerts.quantile import Bins
from schemas.settings import AlertRule

TIME_BUCKETS = 30
COUNT_BUCKETS = 30
NO_BINS: Bins = {}  # shared, never written: thirty empty dictionaries a window would be a third of its size
Added = Literal["late", "same_bucket", "new_bucket"]


class Bucket:
    """Sums over observations: how many, their weight, weighted total, first and last event time."""

    __slots__ = ("bins", "count", "first", "last", "total", "weight")

    def __init__(self) -> None:
        self.count = 0
        self.weight = 0.0
        self.total = 0.0
        self.first = math.inf
        self.last = -math.inf
        self.bins = NO_BINS


class Window:
    """Observations of one rule in one segment, over the rule's window.

    `since` is the first event time (s) ever seen, `until` the latest: the watermark.
    """

    __slots__ = ("_buckets", "_closed", "_keep", "_lateness_s", "_newest", "_rule", "_seen", "_size", "since", "until")

    def __init__(self, rule: AlertRule, allowed_lateness_s: float) -> None:
        self._rule = rule
        self._lateness_s = allowed_lateness_s
        self._size: float
        if rule.window_s is not None:
            self._size, self._keep = rule.window_s / TIME_BUCKETS, TIME_BUCKETS
        else:
            self._size = math.ceil((rule.window_count or 1) / COUNT_BUCKETS)
            self._keep = math.ceil((rule.window_count or 1) / self._size)
        self._seen = 0
        self._buckets: dict[int, Bucket] = {}  # by index, ascending
        self._newest: int | None = None
        self._closed = Bucket()  # all but the newest
        self.since = math.inf
        self.until = -math.inf

    def add(self, at: float, weight: float, x: float) -> Added:
        """Take up an observation of event time `at` (s)."""
        timed, newest = self._rule.window_s is not None, self._newest
        index = math.floor((at if timed else self._seen) / self._size)
        if timed and newest is not None and index < newest and self._is_late(index, newest):
            return "late"
        bucket = self._buckets.get(index)
        if bucket is None:
            bucket = self._open(index)
        self._seen += 1
        if at < self.since:
            self.since = at
        if at > self.until:
            self.until = at
        self._put(bucket, at, weight, x)
        if newest is not None and index < newest:
            self._fold()
        return "new_bucket" if newest is None or index > newest else "same_bucket"

    def count(self) -> int:
        """Observations in the window."""
        return self._closed.count + (self._buckets[self._newest].count if self._newest is not None else 0)

    def value(self) -> float | None:
        """The rule's statistic, weighted by inverse inclusion probability; None where it is not defined."""
        if self._newest is None:
            return None
        newest, closed = self._buckets[self._newest], self._closed
        if self._rule.statistic == "quantile":
            bins = dict(closed.bins)
            quantile.add(bins, newest.bins)
            return quantile.quantile(bins, self._rule.quantile)
        if self._rule.statistic == "count":
            return float(closed.count + newest.count)
        weight = closed.weight + newest.weight
        return (closed.total + newest.total) / weight if weight > 0 else None

    def count_at(self, end: float) -> float | None:
        """Observations in a window that ends at `end`; None when the segment is younger than the window."""
        window_s = self._rule.window_s
        if window_s is None or end - self.since < window_s:
            return None
        oldest = math.floor(end / self._size) - self._keep + 1
        return float(sum(b.count for i, b in self._buckets.items() if i >= oldest))

    def bounds(self) -> tuple[float, float] | None:
        """First and last event time (s) that the window covers; None before the first observation."""
        if self._newest is None:
            return None
        if self._rule.window_s is not None:
            return (self._newest - self._keep + 1) * self._size, self.until
        return min(b.first for b in self._buckets.values()), max(b.last for b in self._buckets.values())

    def encode(self) -> list[Any]:
        """Only what the rule needs: times for count windows, bins for quantiles."""
        found, newest = self._buckets.items(), self._newest or 0
        rows: list[list[Any]]
        if self._rule.window_s is not None:
            rows = [[newest - index, b.count, b.weight, b.total] for index, b in found]
        else:
            rows = [[newest - index, b.count, b.weight, b.total, b.first, b.last] for index, b in found]
        if self._rule.statistic == "quantile":
            rows = [[*row, sorted(b.bins.items())] for row, b in zip(rows, self._buckets.values(), strict=True)]
        return [self._seen, self._newest, _finite(self.since), _finite(self.until), rows]

    def decode(self, state: list[Any]) -> None:
        self._seen, self._newest, since, until, rows = state
        self.since = math.inf if since is None else since
        self.until = -math.inf if until is None else until
        for age, count, weight, total, *rest in rows:
            bucket = self._buckets[(self._newest or 0) - age] = Bucket()
            bucket.count, bucket.weight, bucket.total = count, weight, total
            if self._rule.window_s is None:
                bucket.first, bucket.last, *rest = rest
            bucket.bins = dict(rest[0]) if rest else NO_BINS
        self._fold()

    def _is_late(self, index: int, newest: int) -> bool:
        return index <= newest - self._keep or (index + 1) * self._size + self._lateness_s < self.until

    def _open(self, index: int) -> Bucket:
        buckets, bucket = self._buckets, Bucket()
        buckets[index] = bucket
        if self._newest is not None and index < self._newest:
            self._buckets = dict(sorted(buckets.items()))
            return bucket
        self._newest = index
        oldest = index - self._keep + 1
        while (first := next(iter(buckets))) < oldest:
            del buckets[first]
        self._fold()
        return bucket

    def _put(self, bucket: Bucket, at: float, weight: float, x: float) -> None:
        bucket.count += 1
        bucket.weight += weight
        bucket.total += weight * x
        rule = self._rule
        if rule.window_s is None:
            bucket.first = min(bucket.first, at)
            bucket.last = max(bucket.last, at)
        if rule.statistic == "quantile":
            key = quantile.bin_of(x)
            if bucket.bins is NO_BINS:
                bucket.bins = {}
            bucket.bins[key] = bucket.bins.get(key, 0.0) + weight

    def _fold(self) -> None:
        """Sum all buckets but the newest, in order: the same floating-point sum, whatever was added when."""
        closed, newest = Bucket(), self._newest
        count, weight, total = 0, 0.0, 0.0
        for index, bucket in self._buckets.items():
            if index != newest:
                count += bucket.count
                weight += bucket.weight
                total += bucket.total
                if bucket.bins:
                    if closed.bins is NO_BINS:
                        closed.bins = {}
                    quantile.add(closed.bins, bucket.bins)
        closed.count, closed.weight, closed.total = count, weight, total
        self._closed = closed


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
