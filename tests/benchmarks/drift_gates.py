"""Gates G1-G5 of the drift detectors for scores, beside river's in the same run: validity, delay, time and size, cost, dependence.

Run ``python -m tests.benchmarks.drift_gates [--short] [--only G2]``: `--short` takes a few minutes on two cores and is meant for
CI; the full run watches 2e7 observations of each distribution at each patience. Ends with status 1 if a gate is missed. The
delays of `llmdrift_prime` are printed when the file is found in ``../shared/data``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from drift.detectors.conformal import ConformalBank, ConformalOptions
from drift.protocol import Detection
from tests.benchmarks import drift_cost, drift_llmdrift
from tests.benchmarks.drift_peers import alarms, delay, fits, peers
from tests.benchmarks.drift_streams import NULLS, START, STEP_S, Fleet, beta, diurnal, is_verdict, markov

SEGMENTS = 2000
PATIENCES = (1e4, 1e5, 1e6)
CHANGE = 5000
LONGEST = 6000
C = 1e6
UNGATED = ("repeats the one before, .3", "block: 5")
"""Blocks of 5 take most, not all, of such a dependence; shown beside those of 10."""

Rates = Callable[[np.random.Generator, int, NDArray[np.int64]], NDArray[np.float64]]


class Scenario(NamedTuple):
    """What G2 draws: `draw(rng, segments, step since the change)`, negative steps before it."""

    name: str
    verdicts: bool
    draw: Callable[[np.random.Generator, int, int], NDArray[np.float64]]
    limit: float | None


def rates(rate_of: Callable[[int], float]) -> Callable[[np.random.Generator, int, int], NDArray[np.float64]]:
    return lambda rng, n, step: (rng.random(n) < rate_of(step)).astype(float)


def tail(rng: np.random.Generator, n: int, step: int) -> NDArray[np.float64]:
    slow = (rng.random(n) < 0.05) & (step >= 0)
    return rng.lognormal(0, 0.5, n) * np.where(slow, 5, 1)


SCENARIOS = (
    Scenario(".92 → .71", True, rates(lambda step: 0.92 if step < 0 else 0.71), 65),
    Scenario(".92 → .88", True, rates(lambda step: 0.92 if step < 0 else 0.88), 1480),
    Scenario("ramp over 2000", True, rates(lambda step: 0.92 - 0.21 * min(max(step, 0) / 2000, 1)), 800),
    Scenario("Beta .92 → .88", False, lambda rng, n, step: beta(rng, 0.92 if step < 0 else 0.88, n), 70),
    Scenario("5 % of latencies x5", False, tail, 550),
    Scenario("latencies x1.2", False, lambda rng, n, step: rng.lognormal(0, 0.5, n) * (1 if step < 0 else 1.2), None),
)


class Report:
    """Tables on standard output, and whether every gate held."""

    def __init__(self) -> None:
        self.console = Console(width=140)
        self.missed: list[str] = []

    def gate(self, name: str, held: bool) -> str:
        if not held:
            self.missed.append(name)
        return "[green]held[/]" if held else "[red]MISSED[/]"

    def table(self, title: str, *columns: str) -> Table:
        made = Table(title=title, title_justify="left")
        for i, column in enumerate(columns):
            made.add_column(column, justify="left" if i == 0 else "right")
        return made


def validity(report: Report, observations: int, patiences: tuple[float, ...], peer_observations: int) -> None:
    """G1: alarms on independent observations, at most observations / c + 3 sigma."""
    table = report.table(
        f"G1 false alarms in {observations:.0e} observations", "", *[f"c = {c:.0e}" for c in patiences], "gate"
    )
    for name, draw in NULLS.items():
        cells, held = [], True
        for c in patiences:
            count = false_alarms(draw, observations, c, verdicts=is_verdict(name))
            bound = observations / c
            held &= count <= bound + 3 * bound**0.5
            cells.append(f"{count} of {bound:.0f}")
        table.add_row(name, *cells, report.gate(f"G1 {name}", held))
    report.console.print(table)
    table = report.table(f"river's defaults in {peer_observations:.0e} observations", "", *peers())
    for name, draw in NULLS.items():
        values = draw(np.random.default_rng(1), peer_observations).tolist()
        row = [
            str(len(alarms(make, peer, values))) if fits(peer, is_verdict(name)) else "-"
            for peer, make in peers().items()
        ]
        table.add_row(name, *row)
    report.console.print(table)


def false_alarms(
    draw: Callable[[np.random.Generator, int], NDArray[np.float64]], observations: int, c: float, *, verdicts: bool
) -> int:
    rng, fleet = np.random.default_rng(11), Fleet(SEGMENTS)
    bank, count, first = ConformalBank("conformal", ConformalOptions()), 0, 0
    while first * SEGMENTS < observations:
        values = draw(rng, 20 * SEGMENTS).reshape(20, SEGMENTS)
        count += sum(d.revision == 0 for d in bank.update(fleet.batch(values, first, c, verdicts=verdicts)))
        first += 20
    return count


class Runs(NamedTuple):
    """Of independent runs: delays (nan: none in time), alarms before the change, first detections, and their revisions."""

    delays: NDArray[np.float64]
    early: int
    first: dict[int, Detection]
    again: dict[int, Detection]


def detected(scenario: Scenario, runs: int, seed: int = 0) -> Runs:
    rng, fleet = np.random.default_rng(seed), Fleet(runs)
    bank, delays, early = ConformalBank("conformal", ConformalOptions()), np.full(runs, np.nan), 0
    first: dict[int, Detection] = {}
    again: dict[int, Detection] = {}
    for start in range(0, CHANGE + LONGEST, 40):
        values = np.stack([scenario.draw(rng, runs, step - CHANGE) for step in range(start, start + 40)])
        for d in bank.update(fleet.batch(values, start, C, verdicts=scenario.verdicts)):
            step, run = start + d.index // runs, d.index % runs
            if step < CHANGE:
                early += d.revision == 0
            elif d.revision == 0:
                if run not in first:
                    first[run], delays[run] = d, step - CHANGE + 1
            elif run in first:
                again.setdefault(run, d)
        if len(first) == len(again) == runs:
            break
    return Runs(delays, early, first, again)


def delays(report: Report, runs: int, peer_runs: int) -> None:
    """G2: observations from the change to the alarm."""
    table = report.table(
        f"G2 median delay, {runs} runs at c = {C:.0e} ({peer_runs} of river's at its defaults); in brackets: alarms before it",
        "", "conformal", "90 %", "gate", *peers(),
    )  # fmt: skip
    for scenario in SCENARIOS:
        found = detected(scenario, runs)
        middle = float(np.median(np.nan_to_num(found.delays, nan=LONGEST)))
        row = [f"{middle:.0f} ({found.early})", f"{np.quantile(np.nan_to_num(found.delays, nan=LONGEST), 0.9):.0f}"]
        limit = scenario.limit
        row.append("-" if limit is None else f"<= {limit:.0f} {report.gate('G2 ' + scenario.name, middle <= limit)}")
        for name, make in peers().items():
            row.append(_peer_delay(scenario, name, make, peer_runs) if fits(name, scenario.verdicts) else "-")
        table.add_row(scenario.name, *row)
    report.console.print(table)


def _peer_delay(scenario: Scenario, name: str, make: Callable[[], object], runs: int) -> str:
    rng = np.random.default_rng(7)
    steps = range(-CHANGE, LONGEST)
    streams = np.stack([scenario.draw(rng, runs, step) for step in steps])
    found = [delay(make, name, streams[:, run], CHANGE) for run in range(runs)]
    middle = float(np.median([LONGEST if np.isnan(d) else d for d, _ in found]))
    return f"{middle:.0f} ({sum(early for _, early in found)})"


def time_and_size(report: Report, runs: int) -> None:
    """G3: when the change was and how large, at the alarm and 200 observations later."""
    table = report.table(
        f"G3 at the alarm, {runs} runs", "", "error of the moment", "90 %", "interval holds it", "level after: bias",
        "interval holds it", "200 later: bias", "interval holds it", "gate",
    )  # fmt: skip
    truth = START + STEP_S * CHANGE
    for name, after in ((".92 → .71", 0.71), (".92 → .88", 0.88), ("Beta .92 → .88", 0.88)):
        found = detected(next(s for s in SCENARIOS if s.name == name), runs, seed=5)
        first = [d for d in found.first.values() if d.changed_at and d.earliest and d.latest]
        errors = [abs((d.changed_at.timestamp() - truth) / STEP_S + 1) for d in first if d.changed_at]
        holds = _share([d.earliest.timestamp() - STEP_S <= truth <= d.latest.timestamp() + STEP_S for d in first])  # type: ignore[union-attr]
        row = [f"{np.median(errors):.0f}", f"{np.quantile(errors, 0.9):.0f}", f"{holds:.0%}"]
        for of in (first, list(found.again.values())):
            row.append(f"{np.mean([d.after - after for d in of if d.after is not None]):+.3f}")
            row.append(
                f"{_share([d.after_interval[0] <= after <= d.after_interval[1] for d in of if d.after_interval]):.0%}"
            )
        held = holds >= 0.85 and (name != ".92 → .71" or float(np.median(errors)) <= 8)
        table.add_row(name, *row, report.gate(f"G3 {name}", held))
    report.console.print(table)


def dependence(report: Report, observations: int) -> None:
    """G5: observations that are not independent, though nothing changes."""
    table = report.table(
        f"G5 alarms per 1e6 stationary observations, c = {C:.0e}", "", "conformal", "with", "alarms", "gate", "ADWIN"
    )
    segments, days = 20, max(observations // 20 // 1440, 14)
    rows: list[tuple[str, ConformalOptions | None, str, Callable[[np.random.Generator, int, int, int], NDArray[np.float64]]]] = [
        ("repeats the one before, .1", ConformalOptions(block=5), "block: 5", lambda r, f, s, n: markov(r, 0.92, 0.1, s, n)),
        ("repeats the one before, .3", ConformalOptions(block=5), "block: 5", lambda r, f, s, n: markov(r, 0.92, 0.3, s, n)),
        ("repeats the one before, .3", ConformalOptions(block=10), "block: 10", lambda r, f, s, n: markov(r, 0.92, 0.3, s, n)),
        (
            "daily rhythm, .92 ± .02",
            ConformalOptions(calendar="hour_of_day"),
            "calendar: hour_of_day",
            lambda r, f, s, n: diurnal(r, 0.92, 0.02, f, s, n, 1440),
        ),
        (
            "daily rhythm, .92 ± .02",
            ConformalOptions(calendar="hour_of_week"),
            "calendar: hour_of_week",
            lambda r, f, s, n: diurnal(r, 0.92, 0.02, f, s, n, 1440),
        ),
    ]  # fmt: skip
    for name, options, said, draw in rows:
        plain, cured = (
            _dependent(draw, o, segments, days) for o in (ConformalOptions(), options or ConformalOptions())
        )
        rng = np.random.default_rng(3)
        one = draw(rng, 0, min(days, 200) * 1440, 1)[:, 0].tolist()
        adwin = len(alarms(peers()["ADWIN"], "ADWIN", one)) / len(one) * 1e6
        table.add_row(
            name,
            f"{plain:.1f}",
            said,
            f"{cured:.1f}",
            "-" if (name, said) == UNGATED else report.gate(f"G5 {name} {said}", cured <= 2),
            f"{adwin:.1f}",
        )
    report.console.print(table)


def _dependent(
    draw: Callable[[np.random.Generator, int, int, int], NDArray[np.float64]],
    options: ConformalOptions,
    segments: int,
    days: int,
) -> float:
    rng, fleet, bank, count = np.random.default_rng(2), Fleet(segments), ConformalBank("conformal", options), 0
    for day in range(days):
        values = draw(rng, day * 1440, 1440, segments)
        count += sum(d.revision == 0 for d in bank.update(fleet.batch(values, day * 1440, C, verdicts=True)))
    return count / (days * 1440 * segments) * 1e6


def _share(held: list[bool]) -> float:
    return sum(held) / max(len(held), 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="a few minutes, for CI")
    parser.add_argument("--only", action="append", help="G1 to G5, llmdrift; default: all")
    given = parser.parse_args()
    short, report, began = given.short, Report(), time.monotonic()
    parts: dict[str, Callable[[], None]] = {
        "G1": lambda: validity(report, *((10**6, PATIENCES[:2], 10**5) if short else (2 * 10**7, PATIENCES, 10**6))),
        "G2": lambda: delays(report, 200, 20 if short else 200),
        "G3": lambda: time_and_size(report, 200 if short else 1000),
        "G4": lambda: drift_cost.cost(report),
        "G5": lambda: dependence(report, 2 * 10**6 if short else 10**7),
        "llmdrift": lambda: drift_llmdrift.table(report),
    }
    for name, part in parts.items():
        if not given.only or name in given.only:
            part()
    report.console.print(f"{time.monotonic() - began:.0f} s; missed: {', '.join(report.missed) or 'none'}")
    # How fast this machine is just now is shown, and decides nothing in CI.
    deciding = [name for name in report.missed if not (short and name.startswith("G4"))]
    return 1 if deciding else 0


if __name__ == "__main__":
    sys.exit(main())
