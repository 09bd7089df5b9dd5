"""G4: time and memory of the conformal detector, beside river's ADWIN in a bare loop of the same run."""

from __future__ import annotations

import pickle
import time
from typing import Any

import numpy as np

from drift.detectors.conformal import ConformalBank, ConformalOptions
from tests.benchmarks.drift_streams import Fleet
from tests.benchmarks.memory import own_bytes

SEGMENTS = 100_000
PASSES = 5


def cost(report: Any) -> None:
    """Microseconds of processor time an observation, bytes a segment."""
    table = report.table(
        "G4 cost (processor time)",
        "",
        "100k segments, us",
        "2k segments, us",
        "one segment, us",
        "bytes a segment",
        "100k segments",
        "gate",
    )
    for name, verdicts in (("pass/fail", True), ("graded", False)):
        wide, bank_bytes = _fleet(SEGMENTS, 3, verdicts)
        busy, _ = _fleet(2000, 20, verdicts)
        alone, _ = _fleet(1, 20_000, verdicts)
        row = sum(ConformalBank("c", ConformalOptions()).tracks[1 if verdicts else 2].widths().values())
        held = wide <= 1 and busy <= 1 and alone <= 5 and row <= 512 and bank_bytes <= 64 * 2**20
        table.add_row(
            name,
            f"{wide:.2f}",
            f"{busy:.2f}",
            f"{alone:.2f}",
            str(row),
            f"{bank_bytes / 2**20:.0f} MB",
            report.gate(f"G4 {name}", held),
        )
    adwin, size = _adwin()
    table.add_row("river's ADWIN, bare loop", "-", "-", f"{adwin:.2f}", str(size), "-", "-")
    report.console.print(table)


def _fleet(segments: int, steps: int, verdicts: bool) -> tuple[float, int]:
    rng, fleet = np.random.default_rng(0), Fleet(segments)
    resident = own_bytes()
    bank = ConformalBank("conformal", ConformalOptions())
    for step in range(21):
        bank.update(fleet.batch(_values(rng, 1, segments, verdicts), step, 1e9, verdicts=verdicts))
    held = own_bytes() - resident
    best = float("inf")
    for i in range(PASSES):
        batch = fleet.batch(_values(rng, steps, segments, verdicts), 21 + i * steps, 1e9, verdicts=verdicts)
        began = time.process_time()
        bank.update(batch)
        best = min(best, time.process_time() - began)
    return best / (segments * steps) * 1e6, held


def _values(rng: np.random.Generator, steps: int, segments: int, verdicts: bool) -> Any:
    shape = (steps, segments)
    return (rng.random(shape) < 0.92).astype(float) if verdicts else rng.beta(18.4, 1.6, shape)


def _adwin() -> tuple[float, int]:
    from river.drift import ADWIN

    values = (np.random.default_rng(0).random(100_000) < 0.92).astype(float).tolist()
    detector = ADWIN()
    began = time.process_time()
    for x in values:
        detector.update(x)
    return (time.process_time() - began) / len(values) * 1e6, len(pickle.dumps(detector))
