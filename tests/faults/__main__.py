"""The fault suite: traces flow, something fails, and afterwards everything is accounted for.

    python -m tests.faults                            both worlds, where they are at hand; about half an hour each
    python -m tests.faults --world embedded --short   a few minutes, needs nothing
    python -m tests.faults --only kill --rounds 200

Prints a table; the exit code is 1 when anything was lost, came twice, or differs from a run that nothing interrupted.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.faults.account import Account, account
from tests.faults.bench import Bench, expected_of
from tests.faults.faults import FAULTS, Fault
from tests.faults.traffic import Record, piece
from tests.faults.worlds import WORLDS, NotHere, World, small_disk

TRAFFIC_S = 12.0
ROUND_S = 2.5


@dataclass
class Result:
    """A row of the table. `recovery_s`: from the end of the fault (and of the traffic) until everything is at rest."""

    world: str
    fault: str
    title: str
    runs: int
    account: Account = field(default_factory=Account)
    decisions: int = 0
    recovery_s: float | None = None
    restarts: int = 0
    skipped: str = ""

    @property
    def is_right(self) -> bool:
        return bool(self.skipped) or self.account.is_right


class Suite:
    """Runs faults in one world, one after the other on one installation; after one that ends wrong on a new one."""

    def __init__(self, world: World, folder: Path, expected: Expected) -> None:
        self._world, self._folder, self._expected = world, folder, expected
        self._bench: Bench | None = None
        self._closing = ExitStack()
        self._published: list[int] = []
        self._next = 0

    def run(self, name: str, fault: Fault, rounds: int) -> Result:
        """One fault."""
        result = Result(self._world.name, name, fault.title, rounds)
        try:
            self._run(name, fault, rounds, result)
        except NotHere as why:
            result.skipped = str(why)
        except Exception as error:
            result.account.lost += 1
            result.account.told.append(f"{type(error).__name__}: {error}")
        if fault.small_disk or not result.is_right:
            self.close()
        return result

    def close(self) -> None:
        """End the installation."""
        self._closing.close()
        self._bench = None

    def _run(self, name: str, fault: Fault, rounds: int, result: Result) -> None:
        bench = self._installation(name, fault)
        restarts = bench.restarts
        bench.judge_again(*fault.judge)
        seconds = max(TRAFFIC_S, ROUND_S * rounds if name == "kill" else 0)
        traffic = bench.publish(self._records(fault.pieces), seconds, fault.repeat)
        try:
            fault.make(bench, rounds)
        finally:
            traffic.finish()
        if fault.then:
            bench.publish(self._records(1), TRAFFIC_S).finish()
        result.recovery_s = bench.settle()
        result.restarts = bench.restarts - restarts
        expected = self._expected.of(self._published, bench.judge_url)
        result.decisions = len(expected)
        result.account = account(bench.stack, expected, bench.webhooks)

    def _installation(self, name: str, fault: Fault) -> Bench:
        if fault.small_disk:
            self.close()
        if self._bench is None:
            folder = self._folder / name
            if fault.small_disk:
                self._closing.enter_context(small_disk(folder))
            self._bench = Bench(self._world, folder, f"{name}-{int(time.time())}")
            self._closing.callback(self._bench.stop)
            self._published.clear()
        return self._bench

    def _records(self, pieces: int) -> list[Record]:
        """Of the next pieces of traffic."""
        numbers = range(self._next, self._next + pieces)
        self._next += pieces
        self._published += numbers
        return [record for number in numbers for record in self._expected.piece(number)]


class Expected:
    """The decisions about each piece of traffic, computed once for all worlds in a run that nothing interrupts."""

    def __init__(self, folder: Path, traces: int | None) -> None:
        self._folder, self._traces = folder, traces
        self._found: dict[int, list[Any]] = {}

    def piece(self, number: int) -> list[Record]:
        """The traffic itself."""
        return piece(number)[: self._traces]

    def of(self, pieces: list[int], judge_url: str) -> list[Any]:
        """In the order of `comparable`."""
        new = [number for number in pieces if number not in self._found]
        if new:
            records = {number: self.piece(number) for number in new}
            made = expected_of([r for number in new for r in records[number]], self._folder, judge_url)
            for number in new:
                ids = {trace_id.decode() for trace_id, _ in records[number]}
                self._found[number] = [row for row in made if row[1] in ids]
        return sorted((row for number in pieces for row in self._found[number]), key=lambda row: row[:3])


def main() -> int:
    """Entry point."""
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that workers and brokers are ended
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # of the traffic, whose broker is meant to be away
    console = Console(stderr=True)
    chosen = {name: FAULTS[name] for name in options.only or FAULTS if not options.short or FAULTS[name].short}
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="evalstream-faults-") as made:
        base = options.keep or Path(made)
        expected = Expected(base / "expected", options.traces)
        for world_name in [options.world] if options.world else list(WORLDS):
            with ExitStack() as closing:
                try:
                    (base / world_name).mkdir(parents=True, exist_ok=True)
                    world = WORLDS[world_name](base / world_name, closing)
                except (NotHere, pytest.skip.Exception) as why:
                    console.print(f"{world_name}: left out, {why}")
                    continue
                suite = Suite(world, base / world_name, expected)
                closing.callback(suite.close)
                results += _run_all(suite, chosen, options, console)
    if not options.json:
        Console(width=None if sys.stdout.isatty() else 160).print(_table(results))
    return 0 if results and all(result.is_right for result in results) else 1


def _run_all(suite: Suite, chosen: dict[str, Fault], options: Any, console: Console) -> list[Result]:
    results = []
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console) as progress:
        for name, fault in chosen.items():
            rounds = options.rounds or (fault.short if options.short else fault.rounds)
            task = progress.add_task(f"{name} ({rounds})", total=1)
            result = suite.run(name, fault, rounds)
            results.append(result)
            if options.json:
                print(orjson.dumps(asdict(result)).decode(), flush=True)
            progress.update(task, completed=1, description=f"{name} ({rounds}): {_word(result)}")
            for line in result.account.told:
                console.print(f"  {line}", markup=False, highlight=False)
    return results


def _word(result: Result) -> str:
    return f"left out, {result.skipped}" if result.skipped else "right" if result.is_right else "WRONG"


def _table(results: list[Result]) -> Table:
    table = Table(title="Faults", title_justify="left")
    for name in ("world", "fault", "runs", "decisions", "lost", "twice", "differing", "undelivered", "recovery s"):
        table.add_column(name, justify="left" if name in ("world", "fault") else "right")
    for r in results:
        if r.skipped:
            table.add_row(r.world, f"{r.title}: {r.skipped}", "–", *[""] * 6)
            continue
        a, recovery = r.account, "" if r.recovery_s is None else f"{r.recovery_s:.0f}"
        figures = (r.runs, r.decisions, a.lost, a.twice, a.differing, a.undelivered)
        table.add_row(r.world, r.title, *map(str, figures), recovery)
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m tests.faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--world", choices=list(WORLDS), help="default: every one that is at hand")
    parser.add_argument("--only", nargs="+", choices=list(FAULTS), metavar="NAME", help=", ".join(FAULTS))
    parser.add_argument("--rounds", type=int, help="how often a fault is made; default: as the table says")
    parser.add_argument("--short", action="store_true", help="few rounds of some faults: for CI")
    parser.add_argument("--traces", type=int, help="so many of the 40 runs in a piece of traffic")
    parser.add_argument("--json", action="store_true", help="print JSON, one document a line")
    parser.add_argument("--keep", type=Path, help="keep logs and warehouses in this folder")
    return parser


if __name__ == "__main__":
    sys.exit(main())
