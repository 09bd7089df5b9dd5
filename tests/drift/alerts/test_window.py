"""Windows against a window that keeps everything and counts it again each time."""

from __future__ import annotations

import math

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift.alerts import quantile
from drift.alerts.window import TIME_BUCKETS, Window
from schemas.settings import AlertRule

Item = tuple[float, float, float]
ITEMS = st.lists(
    st.tuples(
        st.floats(0, 400, allow_nan=False),
        st.sampled_from([1.0, 2.0, 4.0]),
        st.floats(-1e6, 1e6, allow_nan=False),
    ),
    max_size=60,
)


class Everything:
    """The definition, taken literally."""

    def __init__(self, window_s: float, lateness_s: float) -> None:
        self.size, self.lateness_s = window_s / TIME_BUCKETS, lateness_s
        self.items: list[Item] = []
        self.until = -math.inf

    def add(self, item: Item) -> bool:
        index = math.floor(item[0] / self.size)
        if self.items and index < self.newest:
            closed = (index + 1) * self.size + self.lateness_s < self.until
            if closed or index <= self.newest - TIME_BUCKETS:
                return False
        self.items.append(item)
        self.until = max(self.until, item[0])
        return True

    @property
    def newest(self) -> int:
        return max(math.floor(at / self.size) for at, _, _ in self.items)

    def inside(self) -> list[Item]:
        return [i for i in self.items if math.floor(i[0] / self.size) > self.newest - TIME_BUCKETS]


def rule(statistic: str = "mean", **window: float) -> AlertRule:
    return AlertRule(name="r", evaluator="e", statistic=statistic, critical=0, **window)  # type: ignore[arg-type]


def stored(window: Window, rule: AlertRule, lateness_s: float) -> Window:
    again = Window(rule, lateness_s)
    again.decode(orjson.loads(orjson.dumps(window.encode())))
    return again


@settings(max_examples=150, deadline=None)
@given(items=ITEMS, window_s=st.sampled_from([30.0, 75.0, 300.0]), lateness_s=st.sampled_from([0.0, 20.0, 500.0]))
def test_time_windows(items: list[Item], window_s: float, lateness_s: float) -> None:
    window, everything = Window(rule(window_s=window_s), lateness_s), Everything(window_s, lateness_s)
    for item in items:
        assert (window.add(*item) != "late") == everything.add(item)
        inside = everything.inside()
        assert window.count() == len(inside)
        mean = sum(w * x for _, w, x in inside) / sum(w for _, w, _ in inside)
        assert window.value() == pytest.approx(mean, rel=1e-9, abs=1e-6)
        assert window.until == everything.until


@settings(max_examples=60, deadline=None)
@given(items=ITEMS, statistic=st.sampled_from(["mean", "quantile", "count"]), timed=st.booleans())
def test_storing_changes_nothing(items: list[Item], statistic: str, timed: bool) -> None:
    timed = timed or statistic == "count"
    chosen = rule(statistic, window_s=90.0) if timed else rule(statistic, window_count=7)
    window = restored = Window(chosen, 30.0)
    for item in items:
        assert window.add(*item) == restored.add(*item) if window is not restored else window.add(*item)
        restored = stored(restored, chosen, 30.0)
        assert restored.encode() == window.encode()
        assert (restored.value(), restored.count(), restored.bounds()) == (
            window.value(),
            window.count(),
            window.bounds(),
        )


@given(st.lists(st.floats(-1e9, 1e9, allow_nan=False), min_size=1, max_size=50), st.floats(0.01, 0.99))
def test_quantiles(numbers: list[float], q: float) -> None:
    bins: quantile.Bins = {}
    for x in numbers:
        quantile.add(bins, {quantile.bin_of(x): 1.0})
    rank = next(k for k in range(1, len(numbers) + 1) if k >= q * len(numbers))
    found = quantile.quantile(bins, q)
    assert found == pytest.approx(sorted(numbers)[rank - 1], rel=0.0101, abs=2e-9)


def test_bins_are_bounded_and_ordered() -> None:
    numbers = [-1e300, -1.0, -1e-3, -1e-300, 0.0, 1e-300, 1e-3, 1.0, 1e300]
    bins = [quantile.bin_of(x) for x in numbers]
    assert bins == sorted(bins)
    assert max(map(abs, bins)) < 4000


def test_no_weight_no_quantile() -> None:
    assert quantile.quantile({}, 0.5) is None
