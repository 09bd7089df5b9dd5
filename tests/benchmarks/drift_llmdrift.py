"""Real behaviour of gpt-4 and gpt-3.5, March and June 2023 (LLMDrift: Chen, Zaharia, Zou, 2023): delays beside ADWIN's."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

import numpy as np

from drift.detectors.conformal import ConformalBank, ConformalOptions
from drift.protocol import Detection
from tests.benchmarks.drift_peers import delay, peers
from tests.benchmarks.drift_streams import Fleet

FILE = Path(__file__).parents[3] / "shared" / "data" / "llmdrift_prime.csv.gz"
COLUMNS = ("correct", "answer_tokens", "latency_s")
ORDERS = 50
"""Answers carry no time: each run shuffles March's and June's among themselves."""


def table(report: Any, file: Path = FILE) -> None:
    """Median delay after the 1,000 answers of March."""
    if not file.exists():
        report.console.print(f"no {file.name}: the delays on real answers are left out")
        return
    names = peers()
    made = report.table(
        f"llmdrift_prime, March to June 2023: median delay of {ORDERS} orders, c = 1e6; in brackets: found in, alarms before",
        "",
        "means",
        "conformal",
        *(n for n in names if n != "HDDM_W"),
    )
    for model, column, before, after in _series(file):
        verdicts = column == "correct"
        rng, fleet = np.random.default_rng(4), Fleet(ORDERS)
        streams = np.stack(
            [np.concatenate([rng.permutation(before), rng.permutation(after)]) for _ in range(ORDERS)], axis=1
        )
        found = ConformalBank("c", ConformalOptions()).update(fleet.batch(streams, 0, 1e6, verdicts=verdicts))
        row = [_said(_delays(found, len(before)), _early(found, len(before)))]
        for name, make in names.items():
            if name == "HDDM_W":
                continue
            if name == "HDDM_A" and not verdicts:
                row.append("-")
                continue
            peer = [delay(make, name, streams[:, i], len(before)) for i in range(ORDERS)]
            row.append(_said([d for d, _ in peer], sum(e for _, e in peer)))
        made.add_row(f"{model} {column}", f"{before.mean():.3g} → {after.mean():.3g}", *row)
    report.console.print(made)


def _series(file: Path) -> list[tuple[str, str, Any, Any]]:
    with gzip.open(file, "rt", newline="") as lines:
        rows = list(csv.DictReader(lines))
    models = sorted({row["model"] for row in rows})
    found = []
    for march in (m for m in models if "0301" in m or "0314" in m):
        june = march.rsplit("-", 1)[0] + "-0613"
        for column in COLUMNS:
            parts = [np.array([float(r[column]) for r in rows if r["model"] == m and r[column]]) for m in (march, june)]
            found.append((march.split("/")[-1].rsplit("-", 1)[0], column, *parts))
    return found


def _delays(found: list[Detection], change: int) -> list[float]:
    delays: dict[int, float] = {}
    for d in found:
        step, run = divmod(d.index, ORDERS)
        if step >= change and d.revision == 0:
            delays.setdefault(run, step - change + 1)
    return [delays.get(run, float("nan")) for run in range(ORDERS)]


def _early(found: list[Detection], change: int) -> int:
    return sum(d.revision == 0 and d.index // ORDERS < change for d in found)


def _said(delays: list[float], early: int) -> str:
    found = [d for d in delays if not np.isnan(d)]
    middle = f"{np.median(found):.0f}" if found else "-"
    return f"{middle} ({len(found) / len(delays):.0%}, {early})"
