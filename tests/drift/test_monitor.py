"""The monitor as a whole: cutting, storing and loading change nothing."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from drift.monitor import Found, Monitor
from drift.observations import of_measurements
from schemas.errors import ConfigError, Fatal
from schemas.measurement import Measurement, Segment
from schemas.settings import AlertRule, DetectorSettings, MonitorSettings
from schemas.state_row import StateRow
from tests.drift.streams import BASE, at, cut, inside, mixed, one, verdicts

RULES = (
    AlertRule(name="passing", evaluator="polite", window_s=600, warning=0.9, critical=0.7, hysteresis=0.05),
    AlertRule(name="tools", evaluator="polite", dimension="tool", window_count=40, critical=0.6, no_data_after_s=600),
    AlertRule(name="typical", evaluator="polite", statistic="mean", window_count=100, below=False, warning=1.5),
    AlertRule(
        name="tail", evaluator="polite", statistic="quantile", window_s=900, below=False, critical=8, quantile=0.9
    ),
    AlertRule(name="busy", evaluator="polite", statistic="count", window_s=120, warning=10, renotify_s=900),
    AlertRule(name="covered", evaluator="polite", statistic="coverage", window_s=1200, warning=0.95, mute=True),
)
SETTINGS = MonitorSettings(
    max_segments=8,
    detectors=(
        DetectorSettings(type="adwin"),
        DetectorSettings(
            type="embedding",
            options={"start": 64, "reference": 64, "clusters": 4, "patience": 1000, "max_segments": 5},
        ),
    ),
)
Rows = dict[tuple[str, str], bytes]


def monitor(rows: Sequence[StateRow] = (), rules: Sequence[AlertRule] = RULES, **settings: object) -> Monitor:
    made = Monitor(
        SETTINGS.model_copy(update=settings),
        rules,
        partition=0,
        partition_count=1,
        project="shop",
        environment="production",
    )
    made.load(rows)
    return made


def kept(rows: Rows, more: Sequence[StateRow]) -> Rows:
    return rows | {(row.kind, row.key): row.state for row in more}


def as_rows(rows: Rows, seed: int = 0) -> list[StateRow]:
    """In any order, as a database may return them."""
    found = [StateRow(kind, key, state) for (kind, key), state in rows.items()]
    random.Random(seed).shuffle(found)
    return found


def shown(found: Found) -> list[bytes]:
    return [*(e.to_bytes() for e in found.drift_events), *(a.to_bytes() for a in found.alerts)]


def run(
    batches: Sequence[Sequence[Measurement]],
    now: datetime,
    restarts: random.Random | None = None,
    **settings: object,
):
    """Feed batches with ticks at fixed places in the stream; start afresh from stored rows where `restarts` says so."""
    watch, rows, events, alerts, read = monitor(**settings), {}, [], [], 0
    for batch in batches:
        found = watch.update(of_measurements(batch), now=now)
        events += [e.to_bytes() for e in found.drift_events]
        alerts += [a.to_bytes() for a in found.alerts]
        read += len(batch)
        if restarts and restarts.random() < 0.3:
            rows = kept(rows, watch.dirty())
            watch = monitor(as_rows(rows, read), **settings)
    for minutes, caught_up in ((0, True), (1, False), (8, False), (9, True), (30, True), (60, True)):
        alerts += shown(watch.tick(now=now + timedelta(minutes=minutes), caught_up=caught_up))
        if restarts and restarts.random() < 0.5:
            rows = kept(rows, watch.dirty())
            watch = monitor(as_rows(rows, minutes), **settings)
    rows = kept(rows, watch.dirty())
    return events, alerts, {key: state for key, state in rows.items() if state}  # an empty row is one that is no more


@pytest.mark.parametrize("seed", range(6))
def test_cutting_and_restarting_change_nothing(seed: int) -> None:
    stream = mixed(700, seed)
    now = max(m.event_time for m in stream) + timedelta(seconds=5)
    whole = run([stream], now)
    assert whole[0] and whole[1], "the stream must raise something"
    assert run(list(cut(stream, seed)), now) == whole
    assert run(list(cut(stream, seed + 1)), now, random.Random(seed)) == whole
    assert run([[m] for m in stream], now, random.Random(seed)) == whole


def test_nor_do_they_with_detectors_that_share_their_names() -> None:
    kinds = (("conformal", {"patience": 300}), ("categories", {}), ("page_hinkley", {}))
    both = {"detectors": tuple(DetectorSettings(type=kind, options=options) for kind, options in kinds)}
    stream = mixed(1500, 3)
    now = max(m.event_time for m in stream) + timedelta(seconds=5)
    whole = run([stream], now, **both)
    assert {kind for kind, _ in whole[2]} > {"conformal", "page_hinkley"}
    assert any(b'"conformal"' in event for event in whole[0])
    assert run(list(cut(stream, 5)), now, random.Random(5), **both) == whole


def test_a_detector_takes_up_a_segment_that_is_not_on_record() -> None:
    settings = {"detectors": (DetectorSettings(type="conformal"),)}
    parts = [[one(i, segment=inside("user_id", f"u{i % 40}")) for i in range(n, n + 400)] for n in (0, 400)]
    watch = monitor(rules=[], max_segments=100, **settings)
    watch.update(of_measurements(parts[0]), now=at(2000))
    again = monitor([r for r in watch.dirty() if r.kind != "segment"], rules=[], max_segments=100, **settings)
    stored = []
    for either in (watch, again):
        either.update(of_measurements(parts[1]), now=at(2000))
        stored.append({row for row in either.dirty() if row.kind == "conformal"})
    assert len(stored[0]) == 40 and stored[0] == stored[1]


def test_pass_rate_falls_and_the_alert_says_so() -> None:
    rule = AlertRule(name="r", evaluator="polite", window_count=50, critical=0.8, min_samples=50)
    watch = monitor(rules=[rule])
    found = watch.update(of_measurements(verdicts([(100, 1.0), (60, 0.3)])), now=at(160))
    alert = found.alerts[0]
    assert (alert.state, alert.previous_state, alert.sequence, alert.notify) == ("CRITICAL", "OK", 1, True)
    assert alert.value is not None and alert.value < 0.8
    assert alert.threshold == 0.8
    assert (
        alert.summary
        == f"pass rate of polite in shop/production fell to 0.78 (critical below 0.8, {alert.samples} traces)"
    )
    assert alert.window_start is not None and alert.window_end is not None
    assert (alert.window_end - alert.window_start).total_seconds() in (48, 49)
    assert watch.alert_states() == {("r", "CRITICAL"): 1}


def test_a_detection_becomes_a_drift_event() -> None:
    stream = verdicts([(600, 0.95), (400, 0.4)], segment=inside("tool", "search"))
    events = monitor(rules=[]).update(of_measurements(stream), now=at(2000)).drift_events
    event = events[0]
    assert event.segment == inside("tool", "search")
    assert event.before == pytest.approx(0.95, abs=0.05)
    assert event.after is not None and event.after < 0.85
    assert event.changed_at is not None and at(450) < event.changed_at <= event.detected_at
    assert event.explanation.startswith("the pass rate fell from 0.9")


def test_segments_beyond_the_limit_are_counted_as_other() -> None:
    rule = AlertRule(name="r", evaluator="polite", dimension="tool", window_count=10, critical=0.5, min_samples=5)
    watch = monitor(rules=[rule], max_segments=3)
    stream = [one(i, passed=False, segment=inside("tool", f"tool{i}")) for i in range(20)]
    found = watch.update(of_measurements(stream), now=at(30))
    assert found.dropped == {"other_segment": 17}
    assert [a.segment.dimension_value for a in found.alerts] == ["other"]
    rows = watch.dirty()
    again = monitor(rows, rules=[rule], max_segments=3)
    later = again.update(
        of_measurements([one(40, segment=inside("tool", "new")), one(41, segment=inside("tool", "tool1"))]), now=at(50)
    )
    assert later.dropped == {"other_segment": 1}


def test_in_several_partitions_other_is_a_segment_of_each() -> None:
    watch = Monitor(SETTINGS.model_copy(update={"max_segments": 4}), [], partition=3, partition_count=4)
    watch.update(of_measurements([one(i, segment=inside("tool", f"tool{i}")) for i in range(3)]), now=at(30))
    values = {row.key for row in watch.dirty() if row.kind == "segment"}
    assert "shop/production/polite/tool=other@3" in values


def test_projects_without_end_are_dropped_and_counted() -> None:
    watch = monitor(rules=[], max_segments=2)
    stream = [one(i, segment=Segment(project=f"p{i}", evaluator="polite")) for i in range(10)]
    assert watch.update(of_measurements(stream), now=at(30)).dropped == {"max_segments": 6}


def test_a_wrong_inclusion_probability_is_counted() -> None:
    bad = [one(i).model_copy(update={"inclusion_probability": p}) for i, p in enumerate((0.0, -1.0, 2.0, float("nan")))]
    assert monitor().update(of_measurements(bad), now=at(9)).dropped == {"inclusion_probability": 4}


def test_two_detectors_of_one_type_have_names() -> None:
    detectors = (
        DetectorSettings(type="adwin", name="quick", options={"delta": 0.05}),
        DetectorSettings(type="adwin", evaluators=("another",)),
    )
    events = (
        monitor(rules=[], detectors=detectors)
        .update(of_measurements(verdicts([(600, 0.9), (200, 0.3)])), now=at(900))
        .drift_events
    )
    assert {e.detector for e in events} == {"quick"}


def test_event_times_at_the_ends_of_the_calendar_are_survived() -> None:
    ends = [datetime.min.replace(tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)]
    for moment in ends:
        rule = AlertRule(name="r", evaluator="polite", window_s=60, critical=0.5, min_samples=1)
        stream = [one(i, passed=False).model_copy(update={"event_time": moment}) for i in range(3)]
        (alert,) = monitor(rules=[rule]).update(of_measurements(stream), now=at(10)).alerts
        assert alert.to_bytes()


def test_rows_of_other_rules_and_detectors_are_ignored() -> None:
    watch = monitor([StateRow("rule:gone", BASE.key, b"?"), StateRow("gone", BASE.key, b"?")])
    assert watch.update(of_measurements([one(1)]), now=at(2)).alerts == []


@pytest.mark.parametrize("state", [b"", b"[]", b"[1,2,3,4]", b"null", b'{"a":1}'])
@pytest.mark.parametrize("kind", ["segment", "monitor", "traffic", "rule:passing"])
def test_a_damaged_row_is_fatal(kind: str, state: bytes) -> None:
    with pytest.raises(Fatal, match="damaged"):
        monitor([StateRow(kind, BASE.key, state)])


def test_a_damaged_detector_row_begins_afresh_and_is_counted() -> None:
    watch = monitor([StateRow("adwin", BASE.key, b"?")])
    assert watch.update(of_measurements([one(1)]), now=at(2)).dropped == {"detector_state": 1}


@pytest.mark.parametrize(
    ("detectors", "path"),
    [
        ([DetectorSettings(type="adwin"), DetectorSettings(type="psychic")], "monitor.detectors[1].type"),
        ([DetectorSettings(type="adwin", options={"delta": 3})], "monitor.detectors[0].options.delta"),
        ([DetectorSettings(type="adwin", options={"alpha": 3})], "monitor.detectors[0].options.alpha"),
        ([DetectorSettings(type="adwin"), DetectorSettings(type="adwin")], "monitor.detectors[1].name"),
        ([DetectorSettings(type="adwin", name="segment")], "monitor.detectors[0].name"),
    ],
)
def test_a_wrong_detector_is_a_config_error(detectors: list[DetectorSettings], path: str) -> None:
    with pytest.raises(ConfigError) as error:
        monitor(detectors=tuple(detectors))
    assert error.value.path == path


def test_heavy_libraries_are_not_imported_with_the_module() -> None:
    heavy = "{'sklearn', 'river', 'scipy'} & set(sys.modules)"
    code = f"import sys, drift.segments; assert 'numpy' not in sys.modules; import drift.monitor; sys.exit(str({heavy}) if {heavy} else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
