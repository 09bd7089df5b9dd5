"""The fault suite: traces flow, something fails, and afterwards everything is accounted for.

    python -m tests.faults                            both worlds, where they are at hand; about half an hour each
    python -m tests.faults --world embedded --short   a few minutes, needs nothing
    python -m tests.faults --only kill --rounds 200

Prints a table; the exit code is 1 when anything was lost, came twice, or differs from a run that nothing interrupted.
"""

from __future__ import annotations

import argparse
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
    """Runs faults in one world."""

    def __init__(self, world: World, folder: Path) -> None:
        self._world, self._folder = world, folder
        self._expected: dict[int, list[Any]] = {}

    def run(self, name: str, fault: Fault, rounds: int) -> Result:
        """One fault, on a stack of its own."""
        result = Result(self._world.name, name, fault.title, rounds)
        try:
            with ExitStack() as closing:
                self._run(name, fault, rounds, result, closing)
        except NotHere as why:
            result.skipped = str(why)
        except Exception as error:
            result.account.lost += 1
            result.account.told.append(f"{type(error).__name__}: {error}")
        return result

    def _run(self, name: str, fault: Fault, rounds: int, result: Result, closing: ExitStack) -> None:
        folder = self._folder / name
        if fault.small_disk:
            closing.enter_context(small_disk(folder))
        bench = Bench(self._world, folder, f"{name}-{int(time.time())}", *fault.judge)
        closing.callback(bench.stop)
        pieces = max(fault.pieces, 1)
        traffic = bench.publish(
            _records(0, pieces), max(TRAFFIC_S, ROUND_S * rounds if name == "kill" else 0), fault.repeat
        )
        fault.make(bench, rounds)
        traffic.finish()
        if fault.then:
            bench.publish(_records(pieces, pieces + 1), TRAFFIC_S).finish()
            pieces += 1
        result.recovery_s = bench.settle()
        result.restarts = bench.restarts
        expected = self._expected_of(pieces, bench)
        result.decisions = len(expected)
        result.account = account(bench.stack, expected, bench.webhooks)

    def _expected_of(self, pieces: int, bench: Bench) -> list[Any]:
        if pieces not in self._expected:
            judge = bench.stack.environment["OPENAI_BASE_URL"]
            self._expected[pieces] = expected_of(_records(0, pieces), self._folder / f"expected-{pieces}", judge)
        return self._expected[pieces]


def _records(first: int, after: int) -> list[Record]:
    return [record for number in range(first, after) for record in piece(number)]


def main() -> int:
    """Entry point."""
    options = _parser().parse_args()
    console = Console(stderr=True)
    chosen = {name: FAULTS[name] for name in options.only or FAULTS if not options.short or FAULTS[name].short}
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="evalstream-faults-") as made:
        base = options.keep or Path(made)
        for world_name in [options.world] if options.world else list(WORLDS):
            with ExitStack() as closing:
                try:
                    world = WORLDS[world_name](base / world_name, closing)
                except (NotHere, pytest.skip.Exception) as why:
                    console.print(f"{world_name}: left out, {why}")
                    continue
                results += _run_all(Suite(world, base / world_name), chosen, options, console)
    if options.json:
        for result in results:
            print(orjson.dumps(asdict(result)).decode())
    else:
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
    parser.add_argument("--json", action="store_true", help="print JSON, one document a line")
    parser.add_argument("--keep", type=Path, help="keep logs and warehouses in this folder")
    return parser


if __name__ == "__main__":
    sys.exit(main())
