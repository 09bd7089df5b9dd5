"""`evalstream drift`, `backtest` and `plot` on files and on a warehouse."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from drift.monitor import Monitor
from drift.observations import of_measurements
from schemas.measurement import Positioned, in_columns
from schemas.settings import load_settings
from sinks.warehouse import TraceDecisions
from tests.drift.streams import at, inside, verdicts
from tests.sinks.making import score
from tests.streams.cli.conftest import Run
from tests.warehouses import open_warehouse

CHANGE, COUNT = 1500, 2200
START = datetime(2026, 1, 1, tzinfo=UTC)


def passes() -> list[bool]:
    rng = random.Random(3)
    return [rng.random() < (0.95 if i < CHANGE else 0.5) for i in range(COUNT)]


def when(i: int) -> datetime:
    return START + timedelta(minutes=i)


def csv_file(folder: Path) -> Path:
    file = folder / "scores.csv"
    rows = [f"{when(i).isoformat()},{passed},polite" for i, passed in enumerate(passes())]
    file.write_text("\n".join(["time,passed,segment", *rows]))
    return file


def json_file(folder: Path) -> Path:
    file = folder / "scores.jsonl.gz"
    lines = [
        orjson.dumps({"time": when(i).timestamp(), "passed": passed, "segment": "shop/production/polite"})
        for i, passed in enumerate(passes())
    ]
    file.write_bytes(gzip.compress(b"\n".join(lines)))
    return file


def bare_file(folder: Path) -> Path:
    """No line of names: time, value, segment."""
    file = folder / "bare.csv"
    file.write_text("\n".join(f"{when(i).timestamp()},{float(p)},polite" for i, p in enumerate(passes())))
    return file


def topic_file(folder: Path) -> Path:
    """Records of the topic `measurements`, in two segments."""
    streams = [
        verdicts([(CHANGE, 0.95), (COUNT - CHANGE, rate)], 3, inside("tool", tool))
        for tool, rate in (("a", 0.95), ("b", 0.5))
    ]
    items = [Positioned(i, m) for i, row in enumerate(zip(*streams, strict=True)) for m in row]
    file = folder / "records.jsonl"
    with file.open("wb") as out:
        for start in range(0, len(items), 1000):
            made = in_columns(items[start : start + 1000], topic="t", partition=0, epoch=0, partition_count=1)
            out.write(b"".join(batch.to_bytes() + b"\n" for batch in made.values()))
    return file


@pytest.mark.parametrize("make", [csv_file, json_file, bare_file, topic_file])
def test_a_backtest_finds_the_change_of_a_file(evalstream: Run, tmp_path: Path, make: Callable[[Path], Path]) -> None:
    done = evalstream("drift", "backtest", str(make(tmp_path)), "--detector", "adwin", "--json")
    assert done.code == 0, done.err
    (event,) = done.documents
    assert event["detector"] == "adwin"
    assert event["after"] < event["before"]
    assert event["segment"]["dimension_value"] == ("b" if make is topic_file else None)
    shown = evalstream("drift", "backtest", str(make(tmp_path)), "--detector", "adwin")
    assert "new, epoch 1" in shown.out
    assert "1 drift events" in shown.err


def test_times_detectors_and_rates_are_chosen(evalstream: Run, tmp_path: Path) -> None:
    file = str(csv_file(tmp_path))
    before = evalstream("drift", "backtest", file, "--to", when(CHANGE).isoformat(), "--json")
    assert (before.code, before.documents) == (0, [])
    assert f"{CHANGE} observations" in before.err
    two = evalstream(
        "drift", "backtest", file, "--detector", "adwin", "--detector", "adwin:delta=0.3,clock=1", "--json"
    )
    assert {e["detector"] for e in two.documents} == {"adwin", "adwin-delta-0.3-clock-1"}
    for wrong in ("adwin:delta", "psychic", "adwin:delta=9", "adwin:nope=1"):
        refused = evalstream("drift", "backtest", file, "--detector", wrong)
        assert refused.code == 2 and "--detector" in refused.err


def test_bad_lines_are_told_and_left_out(evalstream: Run, tmp_path: Path) -> None:
    file = csv_file(tmp_path)
    good = file.read_text().splitlines()
    bad = ["yesterday,1,polite", f"{when(1).isoformat()},maybe,polite", "", f"{when(2).isoformat()},,polite"]
    file.write_text("\n".join([*good[:100], *bad, *good[100:]]))
    done = evalstream("drift", "backtest", str(file), "--json")
    assert done.code == 1
    assert "scores.csv:101: 'yesterday' is no time" in done.err
    assert "scores.csv:102: passed is true or false, got 'maybe'" in done.err
    assert "scores.csv:104: neither value nor passed nor label" in done.err
    assert f"{COUNT} observations" in done.err
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"time": 1, "value": 1}\n{"time": 2\n[]\n{"time": 3, "value": 1, "valeu": 2}\n')
    done = evalstream("drift", "backtest", str(broken))
    assert done.code == 1 and "broken.jsonl:2: no JSON" in done.err and "unknown field 'valeu'" in done.err
    assert evalstream("drift", "backtest", str(tmp_path / "nowhere.csv")).code == 2


@pytest.mark.parametrize(
    ("name", "begins"), [("p.png", b"\x89PNG"), ("p.svg", b"<?xml"), ("p.html", b"<!doctype html>")]
)
def test_a_picture_of_a_file(evalstream: Run, tmp_path: Path, name: str, begins: bytes) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra `plots`")
    file = csv_file(tmp_path)
    done = evalstream("drift", "plot", "polite", "--file", str(file), "-o", name, "--json")
    assert done.code == 0, done.err
    assert done.documents == [{"segment": "//polite", "file": name, "observations": COUNT}]
    body = (tmp_path / name).read_bytes()
    assert body.startswith(begins)
    if name.endswith("html"):
        assert b"pass rate of polite fell from 0.95" in body and b"<script" not in body and b"http://127" not in body
    assert evalstream("drift", "plot", "rude", "--file", str(file)).code == 2
    assert evalstream("drift", "plot", "polite", "--file", str(file), "-o", "p.exe").code == 2


def test_a_warehouse_that_nothing_was_measured_in(evalstream: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'w.db'}"
    warehouse = open_warehouse(url)
    warehouse.migrate()
    warehouse.remember_evaluators({"polite": "v1"})
    decided = [
        TraceDecisions(
            trace_id=f"t{i}",
            scores=[score(f"t{i}", evaluator="polite", passed=passed, value=float(passed), event_time=when(i))],
        )
        for i, passed in enumerate(passes())
    ]
    warehouse.write_decisions(decided)
    warehouse.close()
    environ = {"EVALSTREAM_WAREHOUSE_URL": url}
    done = evalstream("drift", "backtest", "--evaluator", "polite", "--detector", "adwin", "--json", **environ)
    assert done.code == 0, done.err
    (event,) = done.documents
    assert event["after"] < event["before"]
    pytest.importorskip("matplotlib", reason="needs the extra `plots`")
    drawn = evalstream("drift", "plot", "polite", "-o", "p.png", **environ)
    assert drawn.code == 0, drawn.err
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_segments_that_move_together_are_told_before_any_alone(evalstream: Run, tmp_path: Path) -> None:
    """Of 30 tools 12 become a little worse: no alarm yet, but together they stand out."""
    config = tmp_path / "evalstream.yaml"
    config.write_text("monitor: {detectors: [{type: conformal, options: {patience: 20000}}]}\n")
    settings, _ = load_settings(config, {})
    url = f"sqlite:///{tmp_path / 'w.db'}"
    warehouse = open_warehouse(url)
    warehouse.migrate()
    monitor = Monitor(settings.monitor, (), partition=0, partition_count=1)
    epoch = warehouse.claim_partition(0).epoch
    fallen = [f"tool{i:02d}" for i in range(12)]
    streams = [
        verdicts([(600, 0.95), (35, 0.7 if f"tool{i:02d}" in fallen else 0.95)], i, inside("tool", f"tool{i:02d}"))
        for i in range(30)
    ]
    found = monitor.update(of_measurements(m for row in zip(*streams, strict=True) for m in row), now=at(700))
    warehouse.commit_monitor(
        0,
        epoch,
        rows=monitor.dirty(),
        positions={},
        drift_events=found.drift_events,
        alerts=[],
        notifications=[],
    )
    warehouse.close()
    rows = evalstream("drift", "segments", "--json", EVALSTREAM_WAREHOUSE_URL=url).documents
    assert len(rows) == 30
    told = {row["segment"].rpartition("=")[2] for row in rows if row["moved"]}
    alone = {event.segment.dimension_value for event in found.drift_events}
    assert alone < told <= set(fallen), (alone, told)
    assert {row["c"] for row in rows} == {20_000.0}
    shown = evalstream("drift", "segments", "--limit", "3", EVALSTREAM_WAREHOUSE_URL=url)
    assert f"{len(told)} of 30 segments have moved" in shown.out
