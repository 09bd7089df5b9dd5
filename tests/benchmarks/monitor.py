"""Cost of the monitor: ``python -m tests.benchmarks.monitor [SEGMENTS]``; some minutes at the default 100,000.

Each row feeds the same observations to bare banks of detectors, over one table of segments, and through the monitor (admission of
segments, counts, alert rules) in batches as they come off the topic: each with a table of its own. Every segment has left the
beginnings of its detectors behind. `decode` is what it costs to read the records themselves, `gather` a bare loop of numpy to hold
the others against: 256 bytes from each of 10,000 random rows of 50 MB, and back.

Microseconds of processor time an observation, the best of `PASSES` batches; resident memory a segment, keys included.
"""

from __future__ import annotations

import math
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import NamedTuple

import numpy as np

from drift.conformal.waiting import FIRST
from drift.detectors import build_banks
from drift.monitor import Monitor
from drift.observations import of_columns
from drift.protocol import DEFAULT_PATIENCE, Observations
from drift.table import SegmentTable
from schemas.measurement import Measurement, MeasurementBatch, Positioned, in_columns
from schemas.settings import AlertRule, DetectorSettings, MonitorSettings
from tests.benchmarks.memory import own_bytes
from tests.drift.streams import BASE, START, inside

SEGMENTS, PASSES, BATCH = 100_000, 15, 10_000
RULES = (
    AlertRule(name="passing", evaluator="polite", window_s=3600, critical=0.5),
    AlertRule(name="typical", evaluator="polite", statistic="mean", window_count=200, critical=0.2),
)
CONFORMAL, ADWIN = DetectorSettings(type="conformal"), DetectorSettings(type="adwin")


class Case(NamedTuple):
    """What is configured, and whether measurements have a value beside their verdict; it is what is read then."""

    rules: Sequence[AlertRule] = ()
    detectors: Sequence[DetectorSettings] = ()
    values: bool = True


CASES: dict[str, Case] = {
    "no detector": Case(),
    "no detector, 2 rules on the evaluator alone": Case(RULES),
    "conformal, pass/fail": Case(detectors=(CONFORMAL,), values=False),
    "conformal, numbers": Case(detectors=(CONFORMAL,)),
    "conformal, numbers, 2 rules on the evaluator alone": Case(RULES, (CONFORMAL,)),
    "adwin": Case(detectors=(ADWIN,)),
}


class Cost(NamedTuple):
    """Microseconds and bytes of state an observation, bytes of memory a segment."""

    update: float
    size: float
    dirty: float
    stored: float


def batches(segments: int, values: bool, table: SegmentTable | None = None) -> Iterator[tuple[bool, Observations]]:
    """Before what is measured (False) some more of each segment than choose its scale; then (True) of random ones, every
    hundredth of the evaluator alone."""
    rng, start = np.random.default_rng(1), 0
    for _ in range(FIRST + 1):
        order = rng.permutation(segments)
        for first in range(0, segments, BATCH):
            yield False, _batch(rng, order[first : first + BATCH], start, values, table)
            start += BATCH
    for _ in range(PASSES):
        order = np.where(rng.random(BATCH) < 0.01, 0, rng.integers(0, segments, BATCH))
        yield True, _batch(rng, order, start, values, table)
        start += BATCH


def _batch(
    rng: np.random.Generator, order: np.ndarray, start: int, values: bool, shared: SegmentTable | None
) -> Observations:
    n, table = len(order), SegmentTable() if shared is None else shared
    alone, tool = BASE.key, inside("tool", "tool").key
    return Observations(
        segments=table,
        segment=np.array([table.add(f"{tool}{i}" if i else alone) for i in order.tolist()], dtype=np.int32),
        value=rng.random(n) if values else np.full(n, np.nan),
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


def bare(segments: int, case: Case) -> float:
    banks = build_banks(case.detectors)
    best = math.inf
    for measured, batch in batches(segments, case.values, SegmentTable()):
        began = time.process_time()
        for bank in banks:
            bank.update(batch)
        best = min(best, time.process_time() - began) if measured else best
    return best / BATCH * 1e6


def monitored(segments: int, case: Case) -> Cost:
    settings = MonitorSettings(detectors=tuple(case.detectors), max_segments=2 * segments)
    monitor = Monitor(settings, case.rules, partition=0, partition_count=1)
    now = START + timedelta(seconds=(FIRST + 1 + PASSES) * (segments + BATCH))
    before, size, best, storing, stored = 0, 0.0, math.inf, math.inf, 0
    for measured, batch in batches(segments, case.values):
        before = before or own_bytes()
        if measured and not size:
            size = (own_bytes() - before) / segments
            monitor.dirty()
        began = time.process_time()
        monitor.update(batch, now=now)
        ended = time.process_time()
        if measured:
            rows = monitor.dirty()
            best, storing = min(best, ended - began), min(storing, time.process_time() - ended)
            stored += sum(len(row.state) for row in rows)
    return Cost(best / BATCH * 1e6, size, storing / BATCH * 1e6, stored / PASSES / BATCH)


def gathering() -> float:
    rows, store = np.random.default_rng(0).integers(0, 200_000, BATCH), np.zeros((200_000, 32))
    best = math.inf
    for _ in range(PASSES):
        began = time.process_time()
        store[rows] = store[rows] + 1
        best = min(best, time.process_time() - began)
    return best / BATCH * 1e6


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


def measure(name: str, segments: int) -> None:
    print(f"{name}: bare {bare(segments, CASES[name]):.2f} us (gather: {gathering():.2f} us)", flush=True)


def measure_monitored(name: str, segments: int) -> None:
    us = monitored(segments, CASES[name])
    print(
        f"{name}: through the monitor {us.update:.2f} us, {us.size * segments / 2**20:.0f} MB; its state: {us.dirty:.1f} us and"
        f" {us.stored:.0f} B an observation (gather: {gathering():.2f} us)",
        flush=True,
    )


if __name__ == "__main__":
    if len(sys.argv) > 3:
        {"bare": measure, "monitored": measure_monitored}[sys.argv[3]](sys.argv[2], int(sys.argv[1]))
    else:
        print(f"decode: {decoding():.2f} us a measurement; gather: {gathering():.2f} us", flush=True)
        count = sys.argv[1] if sys.argv[1:] else str(SEGMENTS)
        for case in CASES:  # each in a process of its own: what one has freed would hide what the next takes
            for way in ("bare", "monitored"):
                subprocess.run([sys.executable, "-m", "tests.benchmarks.monitor", count, case, way], check=True)
