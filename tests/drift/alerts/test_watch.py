"""Alert rules: statistics, hysteresis, notifications, no data, lag, time out of order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from drift.monitor import Monitor
from drift.observations import of_measurements
from schemas.alert import Alert
from schemas.measurement import Measurement
from schemas.settings import AlertRule, MonitorSettings
from tests.drift.streams import BASE, at, inside, one

SETTINGS = MonitorSettings(detectors=())


def rule(**fields: Any) -> AlertRule:
    window = {} if {"window_s", "window_count"} & set(fields) else {"window_count": 10}
    return AlertRule(**{"name": "r", "evaluator": "polite", "min_samples": 5, "critical": 0.5} | window | fields)


def watching(*rules: AlertRule) -> Monitor:
    return Monitor(SETTINGS, rules, partition=0, partition_count=1, project="shop", environment="production")


def fed(monitor: Monitor, stream: Sequence[Measurement], now: float | None = None) -> list[Alert]:
    """Feed one by one, the wall clock at each event time unless given."""
    found = []
    for m in stream:
        found += monitor.update(of_measurements([m]), now=m.event_time if now is None else at(now)).alerts
    return found


def states(alerts: Sequence[Alert]) -> list[tuple[str, str]]:
    return [(a.previous_state, a.state) for a in alerts]


def passes(marks: str, start: float = 0, step: float = 1, **fields: Any) -> list[Measurement]:
    """``"++-"``: passed, passed, failed."""
    return [one(start + i * step, passed=mark == "+", **fields) for i, mark in enumerate(marks)]


def values(numbers: Sequence[float | None], start: float = 0, **fields: Any) -> list[Measurement]:
    return [one(start + i, passed=None, value=v, **fields) for i, v in enumerate(numbers)]


# --- statistics --------------------------------------------------------------------------------------------------


def test_mean() -> None:
    (alert,) = fed(watching(rule(statistic="mean", window_count=5)), values([0.9, 0.9, 0.9, 0.9, 0.9, 0.0, 0.0, 0.0]))
    assert alert.value == pytest.approx(0.36)
    assert alert.samples == 5
    assert alert.summary == "mean of polite in shop/production fell to 0.36 (critical below 0.5, 5 traces)"


def test_a_high_value_is_bad_when_the_rule_says_so() -> None:
    alerts = fed(watching(rule(statistic="mean", below=False, warning=2, critical=10)), values([1] * 9 + [30, 300]))
    assert states(alerts) == [("OK", "WARNING"), ("WARNING", "CRITICAL")]
    assert alerts[0].summary == "mean of polite in shop/production rose to 3.9 (warning above 2, 10 traces)"


@pytest.mark.parametrize("q", [0.05, 0.5, 0.95, 0.99])
def test_quantiles_are_exact_to_two_percent(q: float) -> None:
    rng = random.Random(3)
    numbers = [rng.lognormvariate(1, 2) for _ in range(2000)]
    monitor = watching(rule(statistic="quantile", quantile=q, below=False, window_s=1e6, min_samples=2000, critical=0))
    (alert,) = fed(monitor, values(numbers))
    assert alert.value == pytest.approx(sorted(numbers)[int(q * 2000) - 1], rel=0.02)


def test_quantiles_of_negative_numbers_and_zeros() -> None:
    monitor = watching(rule(statistic="quantile", quantile=0.5, window_count=5, critical=0))
    (alert,) = fed(monitor, values([-100.0, -2.0, -5.0, 0.0, 3.0]))
    assert alert.value == pytest.approx(-2.0, rel=0.02)


def test_count_below_waits_for_a_whole_window_and_then_sees_silence() -> None:
    monitor = watching(rule(statistic="count", window_s=60, warning=20, critical=None))
    assert fed(monitor, passes("+" * 70)) == [], "the first minute is not full before its end"
    assert monitor.tick(now=at(100), caught_up=False).alerts == []
    (alert,) = monitor.tick(now=at(180), caught_up=True).alerts
    assert (alert.state, alert.value) == ("WARNING", 8)


def test_count_above() -> None:
    monitor = watching(rule(statistic="count", window_s=60, critical=50, below=False))
    (alert,) = fed(monitor, passes("+" * 100, step=0.5))
    assert (alert.state, alert.value) == ("CRITICAL", 51)


def test_coverage_falls_with_failed_and_skipped_judgements() -> None:
    stream = passes("+" * 8) + [one(8 + i, passed=None, outcome=o) for i, o in enumerate(("failed", "skipped") * 3)]
    (alert,) = fed(watching(rule(statistic="coverage", critical=0.55)), stream)
    assert (alert.state, alert.value) == ("CRITICAL", 0.5)


def test_failed_judgements_are_no_scores() -> None:
    stream = passes("+" * 10) + [one(10 + i, passed=None, value=None, outcome="failed") for i in range(50)]
    assert fed(watching(rule(), rule(name="m", statistic="mean")), stream) == []


def test_averages_are_weighted_by_inclusion_probability() -> None:
    stream = [*passes("+" * 5), *passes("-" * 5, 5, inclusion_probability=0.25)]
    alerts = fed(watching(rule(critical=0.6, min_samples=10)), stream)
    assert alerts[0].value == pytest.approx(5 / (5 + 5 * 4))
    assert alerts[0].samples == 10, "samples are counted, not weighted"


def test_numbers_that_are_none_are_passed_over() -> None:
    stream = values([None, float("nan"), float("inf"), 1e300, 0.1, 0.1, 0.1, 0.1, 0.1])
    (alert,) = fed(watching(rule(statistic="mean")), stream)
    assert (alert.value, alert.samples) == (pytest.approx(0.1), 5)


def test_min_samples() -> None:
    assert fed(watching(rule(min_samples=6)), passes("-----")) == []
    assert len(fed(watching(rule(min_samples=5)), passes("-----"))) == 1


# --- windows -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 7, 30])
def test_short_count_windows_hold_exactly_n(count: int) -> None:
    rng = random.Random(count)
    numbers = [rng.random() for _ in range(200)]
    monitor = watching(rule(statistic="mean", window_count=count, min_samples=1, below=False, critical=-1))
    stream = values(numbers)
    fed(monitor, stream[:-1])
    ((watch,),) = monitor._watches.values()
    fed(monitor, stream[-1:])
    assert watch.window.count() == count
    assert watch.window.value() == pytest.approx(sum(numbers[-count:]) / count)


@pytest.mark.parametrize("count", [31, 50, 100, 1000])
def test_long_count_windows_hold_n_to_within_a_block(count: int) -> None:
    monitor = watching(rule(statistic="mean", window_count=count, min_samples=count))
    ((watch,),) = monitor._watches.values()
    held = set()
    for m in values([0.9] * (3 * count)):
        monitor.update(of_measurements([m]), now=m.event_time)
        held.add(watch.window.count())
    full = [h for h in held if h >= count * 0.9]
    assert max(full) >= count, "min_samples = window_count must be reachable"
    assert max(full) <= count + count / 15


def test_a_time_window_forgets() -> None:
    monitor = watching(rule(window_s=60))
    alerts = fed(monitor, passes("-" * 10) + passes("+" * 20, 70))
    assert states(alerts) == [("OK", "CRITICAL"), ("CRITICAL", "OK")]
    assert alerts[1].value == 1.0


def test_order_within_the_lateness_does_not_matter() -> None:
    rng = random.Random(1)
    stream = passes("+-" * 300)
    shuffled = sorted(stream, key=lambda m: m.event_time.timestamp() + rng.uniform(0, 50))
    windows = []
    for ordered in (stream, shuffled):
        monitor = watching(rule(window_s=300, critical=0.1))
        found = monitor.update(of_measurements(ordered), now=at(1000))
        assert found.dropped == {}
        ((watch,),) = monitor._watches.values()
        windows.append((watch.window.count(), watch.window.value(), watch.window.until))
    assert windows[0] == windows[1]


def test_what_comes_after_its_bucket_closed_is_counted_and_not_taken() -> None:
    monitor = watching(rule(window_s=300))
    monitor.update(of_measurements(passes("+" * 5, 1000)), now=at(2000))
    late = monitor.update(of_measurements(passes("-" * 9, 900)), now=at(2000))
    assert late.dropped == {"late": 9}
    assert late.alerts == []
    in_time = monitor.update(of_measurements(passes("-" * 9, 950)), now=at(2000))
    assert in_time.dropped == {}
    assert states(in_time.alerts) == [("OK", "CRITICAL")]


def test_event_times_ahead_of_the_wall_clock_do_not_close_windows() -> None:
    monitor = watching(rule(window_s=300))
    ahead = monitor.update(of_measurements([one(86_400)]), now=at(10))
    assert ahead.dropped == {}
    assert states(fed(monitor, passes("-" * 9, 5), now=15)) == [("OK", "CRITICAL")]


def test_windows_are_evaluated_per_segment() -> None:
    stream = [m for i in range(20) for m in (one(i), one(i, passed=False, segment=inside("tool", "search")))]
    alerts = fed(watching(rule(dimension="tool"), rule(name="all")), stream)
    assert [(a.rule, a.segment.dimension_value) for a in alerts] == [("r", "search")]
    assert "polite in shop/production (tool=search)" in alerts[0].summary


# --- states ------------------------------------------------------------------------------------------------------


def test_warning_critical_and_recovery() -> None:
    monitor = watching(rule(warning=0.8, critical=0.5))
    alerts = fed(monitor, passes("+" * 10 + "-" * 10 + "+" * 12))
    assert states(alerts) == [("OK", "WARNING"), ("WARNING", "CRITICAL"), ("CRITICAL", "WARNING"), ("WARNING", "OK")]
    assert [a.sequence for a in alerts] == [1, 2, 3, 4]
    assert [a.reason for a in alerts] == ["changed", "changed", "changed", "recovered"]
    assert len({a.dedup_key for a in alerts}) == 1
    assert len({a.alert_id for a in alerts}) == 4
    assert alerts[-1].summary == "pass rate of polite in shop/production is back at 0.8 (warning below 0.8, 10 traces)"


def test_hysteresis_does_not_flap() -> None:
    wobble = "+" * 10 + "-+++++++-+" * 30  # 8 of 10 pass in every window, 7 or 9 at times
    wobble = wobble.replace("-+++++++-+-", "-++-++++-+-")
    plain = fed(watching(rule(warning=0.8, critical=None)), passes(wobble))
    calm = fed(watching(rule(warning=0.8, critical=None, hysteresis=0.15)), passes(wobble))
    assert len(plain) > 20, "without hysteresis it flaps"
    assert states(calm) == [("OK", "WARNING")]


def test_a_better_level_waits_for_a_new_bucket() -> None:
    rng = random.Random(5)
    noise = "".join(rng.choice("+-") for _ in range(3000))
    alerts = fed(watching(rule(window_s=300, critical=0.5)), passes(noise, step=0.1))
    recovered = [a for a in alerts if a.state == "OK"]
    buckets = [int(a.window_end.timestamp() // 10) for a in recovered if a.window_end]
    assert len(buckets) == len(set(buckets))


def test_recovery_can_be_silent() -> None:
    alerts = fed(watching(rule(notify_recovery=False)), passes("-" * 10 + "+" * 12))
    assert [(a.state, a.notify) for a in alerts] == [("CRITICAL", True), ("OK", False)]


def test_mute_records_and_notifies_nobody() -> None:
    monitor = watching(rule(mute=True, renotify_s=60))
    alerts = fed(monitor, passes("-" * 10))
    assert [(a.state, a.notify) for a in alerts] == [("CRITICAL", False)]
    assert monitor.tick(now=at(1000), caught_up=True).alerts == []


def test_renotify_while_the_state_lasts() -> None:
    monitor = watching(rule(renotify_s=600))
    fed(monitor, passes("-" * 5))
    assert monitor.tick(now=at(600), caught_up=True).alerts == []
    (again,) = monitor.tick(now=at(604), caught_up=True).alerts
    assert (again.reason, again.state, again.previous_state, again.notify) == ("renotify", "CRITICAL", "CRITICAL", True)
    assert again.sequence == 2
    assert "is still 0 (critical below 0.5" in again.summary
    assert monitor.tick(now=at(700), caught_up=True).alerts == []
    assert len(monitor.tick(now=at(1300), caught_up=True).alerts) == 1
    assert monitor.tick(now=at(9000), caught_up=True).alerts == [], "the window is older than max_alert_age_s"


def test_old_windows_notify_nobody_until_a_recent_one_shows_the_same() -> None:
    monitor = watching(rule(window_s=600))
    (old,) = monitor.update(of_measurements(passes("-" * 10)), now=at(20_000)).alerts
    assert (old.state, old.notify) == ("CRITICAL", False)
    (made_up,) = monitor.update(of_measurements(passes("-" * 10, 20_000)), now=at(20_010)).alerts
    assert (made_up.state, made_up.reason, made_up.notify) == ("CRITICAL", "renotify", True)
    assert monitor.update(of_measurements(passes("-" * 10, 20_010)), now=at(20_020)).alerts == []


def test_a_recovery_nobody_heard_of_is_made_up_for() -> None:
    monitor = watching(rule(window_s=600))
    assert monitor.update(of_measurements(passes("-" * 10)), now=at(20)).alerts[0].notify
    (old,) = monitor.update(of_measurements(passes("+" * 30, 5000)), now=at(90_000)).alerts
    assert (old.state, old.notify) == ("OK", False)
    (made_up,) = monitor.update(of_measurements(passes("+", 90_000)), now=at(90_001)).alerts
    assert (made_up.state, made_up.reason, made_up.notify) == ("OK", "recovered", True)


# --- no data, lag, clocks ----------------------------------------------------------------------------------------


def test_no_data_though_no_segment_was_ever_seen() -> None:
    monitor = watching(rule(no_data_after_s=300))
    assert monitor.tick(now=at(0), caught_up=True).alerts == []
    assert monitor.tick(now=at(299), caught_up=True).alerts == []
    (alert,) = monitor.tick(now=at(300), caught_up=True).alerts
    assert (alert.state, alert.segment, alert.notify) == ("NO_DATA", BASE, True)
    assert alert.summary == "no score of polite in shop/production for 5 minutes"
    assert monitor.tick(now=at(400), caught_up=True).alerts == []
    (back,) = monitor.update(of_measurements([one(500)]), now=at(500)).alerts
    assert (back.state, back.previous_state, back.reason) == ("OK", "NO_DATA", "recovered")
    assert back.summary == "scores of polite in shop/production arrive again, OK: pass rate 1"


def test_only_the_partition_of_the_home_segment_raises_it() -> None:
    count = 7
    raised = []
    for partition in range(count):
        monitor = Monitor(
            SETTINGS,
            [rule(no_data_after_s=300)],
            partition=partition,
            partition_count=count,
            project="shop",
            environment="production",
        )
        monitor.tick(now=at(0), caught_up=True)
        raised += [partition for _ in monitor.tick(now=at(400), caught_up=True).alerts]
    assert raised == [BASE.partition(count)]


def test_a_silent_value_of_a_dimension_has_no_data() -> None:
    monitor = watching(rule(dimension="tool", no_data_after_s=300))
    fed(monitor, [one(0, segment=inside("tool", "search")), *passes("+" * 10, step=60)])
    alerts = monitor.tick(now=at(600), caught_up=True).alerts
    assert [(a.segment.dimension_value, a.state) for a in alerts] == [("search", "NO_DATA")]


def test_failed_judgements_do_not_count_as_data() -> None:
    monitor = watching(rule(no_data_after_s=300))
    fed(monitor, [one(0), *(one(i, passed=None, outcome="failed") for i in range(10, 400, 10))])
    assert [a.state for a in monitor.tick(now=at(400), caught_up=True).alerts] == ["NO_DATA"]


def test_no_data_is_not_raised_while_behind_but_stale_is() -> None:
    monitor = watching(rule(no_data_after_s=60))
    monitor.tick(now=at(0), caught_up=True)
    assert monitor.tick(now=at(100), caught_up=False).alerts == []
    assert monitor.tick(now=at(399), caught_up=False).alerts == []
    (stale,) = monitor.tick(now=at(400), caught_up=False).alerts
    assert (stale.state, stale.previous_state) == ("STALE", "OK")
    assert monitor.tick(now=at(500), caught_up=False).alerts == []
    monitor.update(of_measurements([one(500)]), now=at(510))
    (back,) = monitor.tick(now=at(511), caught_up=True).alerts
    assert (back.state, back.previous_state, back.reason) == ("OK", "STALE", "recovered")


def test_a_short_lag_is_not_stale() -> None:
    monitor = watching(rule())
    for second in range(0, 3000, 100):
        assert monitor.tick(now=at(second), caught_up=second % 200 == 0).alerts == []


def test_what_is_found_while_stale_is_said() -> None:
    monitor = watching(rule())
    monitor.tick(now=at(0), caught_up=False)
    assert states(monitor.tick(now=at(300), caught_up=False).alerts) == [("OK", "STALE")]
    assert states(monitor.update(of_measurements(passes("-" * 6)), now=at(310)).alerts) == [("STALE", "CRITICAL")]
    assert monitor.tick(now=at(320), caught_up=False).alerts == []
    assert monitor.tick(now=at(330), caught_up=True).alerts == []


def test_stale_is_said_once_a_rule_not_once_a_segment() -> None:
    monitor = watching(rule(dimension="tool"), rule(name="all"))
    fed(monitor, [one(i, segment=inside("tool", f"t{i}")) for i in range(50)])
    monitor.tick(now=at(100), caught_up=False)
    alerts = monitor.tick(now=at(500), caught_up=False).alerts
    assert [(a.rule, a.segment) for a in alerts] == [("all", BASE), ("r", BASE)]


def test_a_critical_level_survives_no_data() -> None:
    monitor = watching(rule(no_data_after_s=300))
    fed(monitor, passes("-" * 10))
    assert states(monitor.tick(now=at(400), caught_up=True).alerts) == [("CRITICAL", "NO_DATA")]
    assert states(fed(monitor, passes("-", 410))) == [("NO_DATA", "CRITICAL")]


def test_the_wall_clock_set_back_delays_nothing_by_more_than_the_period() -> None:
    monitor = watching(rule(no_data_after_s=300, renotify_s=300))
    monitor.update(of_measurements(passes("-" * 10)), now=at(100_000))
    monitor.tick(now=at(100_000), caught_up=True)
    assert monitor.tick(now=at(1000), caught_up=True).alerts == []
    assert [a.state for a in monitor.tick(now=at(1300), caught_up=True).alerts] == ["NO_DATA"]


def test_the_wall_clock_set_forward_recovers_with_the_next_score() -> None:
    monitor = watching(rule(no_data_after_s=300))
    fed(monitor, passes("+" * 10))
    assert [a.state for a in monitor.tick(now=at(90_000), caught_up=True).alerts] == ["NO_DATA"]
    assert [a.state for a in monitor.update(of_measurements([one(20)]), now=at(90_020)).alerts] == ["OK"]


# --- changed rules -----------------------------------------------------------------------------------------------


def test_another_threshold_keeps_the_window_and_another_window_does_not() -> None:
    first = watching(rule(critical=0.1))
    fed(first, passes("+-" * 10))
    rows = first.dirty()
    stricter, wider = watching(rule(critical=0.9)), watching(rule(critical=0.9, window_count=20))
    stricter.load(rows)
    wider.load(rows)
    assert len(fed(stricter, passes("+", 30))) == 1
    assert fed(wider, passes("+", 30)) == []


def test_the_sequence_goes_on_when_a_rule_changes() -> None:
    first = watching(rule())
    fed(first, passes("-" * 10))
    changed = watching(rule(window_s=60))
    changed.load(first.dirty())
    assert [(a.state, a.sequence) for a in fed(changed, passes("+" * 10, 100))] == [("OK", 2)]


def test_a_rule_that_gets_a_dimension_lets_go_of_what_it_had_raised() -> None:
    first = watching(rule())
    fed(first, passes("-" * 10))
    changed = watching(rule(dimension="tool"))
    changed.load(first.dirty())
    assert states(fed(changed, passes("+", 20))) == [("OK", "OK")]
    assert fed(changed, passes("+-" * 10, 30)) == []


def test_a_rule_without_no_data_any_more_leaves_that_state() -> None:
    first = watching(rule(no_data_after_s=60))
    first.tick(now=at(0), caught_up=True)
    assert [a.state for a in first.tick(now=at(60), caught_up=True).alerts] == ["NO_DATA"]
    changed = watching(rule())
    changed.load(first.dirty())
    assert [a.state for a in changed.tick(now=at(61), caught_up=True).alerts] == ["OK"]
