"""Cost of the monitor: ``python -m tests.benchmarks.monitor [SEGMENTS]``; processor time a measurement, bytes a segment."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from drift.monitor import Monitor
from schemas.measurement import Measurement
from schemas.settings import AlertRule, DetectorSettings, MonitorSettings
from tests.drift.streams import at, inside

MEASUREMENTS, BATCH = 100_000, 500
RULES = (
    AlertRule(name="passing", evaluator="polite", dimension="tool", window_s=3600, critical=0.5),
    AlertRule(name="typical", evaluator="polite", dimension="tool", statistic="mean", window_count=200, critical=0.2),
    AlertRule(name="covered", evaluator="polite", dimension="tool", statistic="coverage", window_s=600, critical=0.5),
)
BANKS = (DetectorSettings(type="adwin"), DetectorSettings(type="embedding_shift"))


def stream(segments: int) -> list[Measurement]:
    rng = random.Random(1)
    known = [inside("tool", f"tool{i}") for i in range(segments)]
    return [
        Measurement.model_construct(
            segment=rng.choice(known),
            trace_id=str(i),
            outcome="scored",
            value=rng.random(),
            passed=rng.random() < 0.95,
            event_time=at(i / 20 + rng.random() * 5),
            inclusion_probability=1.0,
            vector=None,
        )
        for i in range(MEASUREMENTS)
    ]


def measure(name: str, segments: int, rules: Sequence[AlertRule], detectors: Sequence[DetectorSettings]) -> None:
    before = resident_bytes()
    settings = MonitorSettings(detectors=tuple(detectors), max_segments=2 * segments)
    monitor = Monitor(settings, rules, partition=0, partition_count=1)
    measurements = stream(segments)
    held = resident_bytes()
    now = measurements[-1].event_time + timedelta(seconds=10)
    updating = storing = 0.0
    stored = 0
    for start in range(0, MEASUREMENTS, BATCH):
        began = time.process_time()
        monitor.update(measurements[start : start + BATCH], now=now)
        updated = time.process_time()
        stored += sum(len(row.state) for row in monitor.dirty())
        updating, storing = updating + updated - began, storing + time.process_time() - updated
    began = time.process_time()
    monitor.tick(now=now, caught_up=True)
    ticked = time.process_time() - began
    print(
        f"{name}: update {updating / MEASUREMENTS * 1e6:.1f} us, dirty {storing / MEASUREMENTS * 1e6:.1f} us and "
        f"{stored / MEASUREMENTS:.0f} bytes a measurement; tick {ticked * 1e3:.1f} ms; "
        f"{(resident_bytes() - held) / segments:.0f} bytes a segment (stream {(held - before) >> 20} MB)"
    )


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    measure("warm-up", 10, RULES, BANKS)
    measure("3 rules, 2 detectors", count, RULES, BANKS)
    measure("2 detectors", count, (), BANKS)
    measure("3 rules", count, RULES, ())
