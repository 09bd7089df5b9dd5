"""Cost of the monitor: ``python -m tests.benchmarks.monitor [SEGMENTS]``; a minute at the default 100,000.

Each row feeds the same observations to bare banks of detectors and through the monitor (admission of segments, counts,
alert rules), in batches as they come off the topic: each with a table of segments of its own. `decode` is what it costs to
read the records themselves. Microseconds of processor time an observation; bytes of resident memory a segment.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from drift.detectors import build_banks
from drift.monitor import Monitor
from drift.observations import of_columns
from drift.protocol import DEFAULT_PATIENCE, Observations
from drift.table import SegmentTable
from schemas.measurement import Measurement, MeasurementBatch, Positioned, in_columns
from schemas.settings import AlertRule, DetectorSettings, MonitorSettings
from tests.drift.streams import START, inside

SEGMENTS, PASSES, BATCH = 100_000, 5, 10_000
RULES = (
    AlertRule(name="passing", evaluator="polite", window_s=3600, critical=0.5),
    AlertRule(name="typical", evaluator="polite", statistic="mean", window_count=200, critical=0.2),
)
CASES: dict[str, tuple[Sequence[AlertRule], Sequence[DetectorSettings]]] = {
    "no detector": ((), ()),
    "no detector, 2 rules on the evaluator alone": (RULES, ()),
    "conformal": ((), (DetectorSettings(type="conformal"),)),
    "conformal, 2 rules on the evaluator alone": (RULES, (DetectorSettings(type="conformal"),)),
    "adwin": ((), (DetectorSettings(type="adwin"),)),
}


def batches(segments: int) -> list[Observations]:
    """One observation of every segment and then of random ones, every hundredth of the evaluator alone."""
    rng = np.random.default_rng(1)
    keys = [inside("", "").model_copy(update={"dimension": None, "dimension_value": None}).key]
    keys += [inside("tool", f"tool{i}").key for i in range(1, segments)]
    first = rng.permutation(segments)
    rest = np.where(rng.random((PASSES - 1) * segments) < 0.01, 0, rng.integers(0, segments, (PASSES - 1) * segments))
    order = np.concatenate([first, rest])
    return [_batch(rng, keys, order[start : start + BATCH], start) for start in range(0, len(order), BATCH)]


def _batch(rng: np.random.Generator, keys: Sequence[str], order: np.ndarray, start: int) -> Observations:
    n, table = len(order), SegmentTable()
    return Observations(
        segments=table,
        segment=np.array([table.add(keys[i]) for i in order.tolist()], dtype=np.int32),
        value=rng.random(n),
        passed=(rng.random(n) < 0.95).astype(np.int8),
        outcome=np.zeros(n, dtype=np.int8),
        time=START.timestamp() + (start + np.arange(n)) / 20 + 5 * rng.random(n),
        inclusion=np.ones(n),
        traces=[f"trace-{start + i}" for i in range(n)],
        trace=np.arange(n, dtype=np.int32),
        labels=[],
        label=np.full(n, -1, dtype=np.int32),
        vectors={},
        patience=np.full(n, DEFAULT_PATIENCE),
    )


def bare(segments: int, detectors: Sequence[DetectorSettings]) -> tuple[float, float]:
    """Microseconds an observation, bytes a segment."""
    stream, banks = batches(segments), build_banks(detectors)
    held, began = resident_bytes(), time.process_time()
    for batch in stream:
        for bank in banks:
            bank.update(batch)
    return per(began, segments), (resident_bytes() - held) / segments


def monitored(
    segments: int, rules: Sequence[AlertRule], detectors: Sequence[DetectorSettings]
) -> tuple[float, float, float, float]:
    """Microseconds an observation of update and of dirty, bytes a segment, bytes of state an observation."""
    stream = batches(segments)
    settings = MonitorSettings(detectors=tuple(detectors), max_segments=2 * segments)
    monitor = Monitor(settings, rules, partition=0, partition_count=1)
    now = datetime.fromtimestamp(float(stream[-1].time.max()), UTC) + timedelta(seconds=10)
    held = resident_bytes()
    updating, stored, began = 0.0, 0, time.process_time()
    for batch in stream:
        started = time.process_time()
        monitor.update(batch, now=now)
        updating += time.process_time() - started
        stored += sum(len(row.state) for row in monitor.dirty())
    count = PASSES * segments
    storing = per(began, segments) - updating / count * 1e6
    return updating / count * 1e6, storing, (resident_bytes() - held) / segments, stored / count


def decoding() -> float:
    """Microseconds a measurement to read records of the topic into columns, beside which the rest is to be seen."""
    rng = random.Random(2)
    items = [
        Positioned(
            i,
            Measurement.model_construct(
                segment=inside("tool", f"tool{rng.randrange(200)}"),
                trace_id=f"trace-{i}",
                outcome="scored",
                value=rng.random(),
                passed=True,
                label=None,
                event_time=START + timedelta(seconds=i),
                inclusion_probability=1.0,
                vector=None,
            ),
        )
        for i in range(BATCH)
    ]
    (record,) = in_columns(items, topic="traces", partition=0, epoch=0, partition_count=1).values()
    body, began = record.to_bytes(), time.process_time()
    for _ in range(5):
        batch = MeasurementBatch.from_bytes(body)
        of_columns([(batch, range(BATCH))])
    return (time.process_time() - began) / (5 * BATCH) * 1e6


def per(began: float, segments: int) -> float:
    return (time.process_time() - began) / (PASSES * segments) * 1e6


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def measure(name: str, segments: int) -> None:
    rules, detectors = CASES[name]
    us, size = bare(segments, detectors)
    update, dirty, whole, stored = monitored(segments, rules, detectors)
    print(
        f"{name}: bare {us:.2f} us, {size:.0f} B a segment; through the monitor {update:.2f} us, {whole:.0f} B a segment"
        f" ({whole * segments / 2**20:.0f} MB); its state: {dirty:.1f} us and {stored:.0f} B an observation",
        flush=True,
    )


if __name__ == "__main__":
    if len(sys.argv) > 2:
        measure(sys.argv[2], int(sys.argv[1]))
    else:
        print(f"decode: {decoding():.2f} us a measurement", flush=True)
        for case in CASES:  # each in a process of its own: what one has freed would hide what the next takes
            here = [
                sys.executable,
                "-m",
                "tests.benchmarks.monitor",
                sys.argv[1] if sys.argv[1:] else str(SEGMENTS),
                case,
            ]
            subprocess.run(here, check=True)
