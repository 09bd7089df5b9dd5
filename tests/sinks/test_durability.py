"""What a write has returned from survives kill -9, and what it was killed in leaves no half."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from sqlalchemy import text

from sinks.warehouse import TraceDecisions, Warehouse
from tests.sinks.making import score, span, trace
from tests.warehouses import open_warehouse, url_of

SPANS = 40
ROOT = Path(__file__).resolve().parents[2]


def test_kill_9_loses_nothing_and_leaves_no_half(warehouse: Warehouse) -> None:
    acknowledged: list[str] = []
    for round_ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-m", "tests.sinks.test_durability", url_of(warehouse), str(round_)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )
        assert writer.stdout is not None
        deadline = time.monotonic() + 30
        heard = [writer.stdout.readline() for _ in range(5 + 3 * round_)]
        assert time.monotonic() < deadline
        writer.send_signal(signal.SIGKILL)
        acknowledged += [line.strip() for line in (*heard, *writer.stdout) if line.endswith("\n")]
        writer.wait()
    stored = warehouse.fingerprints(acknowledged)
    assert set(acknowledged) == set(stored)
    with warehouse.database.read() as connection:
        halves = text(
            "SELECT t.trace_id FROM traces t WHERE (SELECT count(*) FROM spans s WHERE s.trace_id = t.trace_id) <> :n "
            "OR (SELECT count(*) FROM scores s WHERE s.trace_id = t.trace_id) NOT IN (0, :n)"
        )
        assert connection.execute(halves, {"n": SPANS}).all() == []
    assert len(warehouse.stored_scores(acknowledged)) == SPANS * len(acknowledged)


def write_for_ever(url: str, prefix: str) -> None:
    """Store traces with their scores, and say so after each."""
    warehouse = open_warehouse(url)
    for number in range(100_000):
        made = trace(f"{prefix}-{number}", *(span(f"s{i}") for i in range(SPANS)))
        warehouse.store_traces([made])
        scores = [score(made.trace_id, span_id=s.span_id, target_digest=s.digest) for s in made.spans]
        warehouse.write_decisions([TraceDecisions(made.trace_id, scores)])
        print(made.trace_id, flush=True)


if __name__ == "__main__":
    write_for_ever(*sys.argv[1:])
