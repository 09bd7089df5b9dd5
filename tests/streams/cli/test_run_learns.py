"""`run` and what is learned: in file order, each decision once, and kept for the next run."""

from __future__ import annotations

from pathlib import Path

from tests.brokers import ROOT
from tests.streams.cli.conftest import Run

EXAMPLES = ROOT / "examples" / "traces"
CLEAN, FAULTY = (str(EXAMPLES / f"{name}.otlp.jsonl.gz") for name in ("airline", "airline_faulty"))
CONFIG = "evaluators: [{type: tool_result_schema_drift}, {type: tool_result_empty}]\n"


def test_each_decision_is_told_once_though_some_wait(evalstream: Run, tmp_path: Path) -> None:
    (tmp_path / "evalstream.yaml").write_text(CONFIG)
    found = evalstream("run", FAULTY, "--json").documents
    keys = [(d["trace_id"], d["evaluator"], d["span_id"]) for d in found]
    assert len(keys) == len(set(keys)) > 100
    assert {d["label"] for d in found if d["passed"] is False} >= {"renamed_key", "retyped", "no_items"}
    scored = [d for d in found if d["status"] == "scored"]
    assert all(d["profile_version"] for d in scored if d["evaluator"] == "tool_result_schema_drift")


def test_what_was_learned_is_kept_for_the_next_run(evalstream: Run, tmp_path: Path) -> None:
    (tmp_path / "evalstream.yaml").write_text(CONFIG)
    url = f"sqlite:///{tmp_path / 'w.db'}"
    assert evalstream("run", CLEAN, "--warehouse", url).code == 0
    second = evalstream("run", FAULTY, "--warehouse", url, "--json").documents
    alone = evalstream("run", FAULTY, "--json").documents
    assert sum(d["status"] == "skipped" for d in second) < sum(d["status"] == "skipped" for d in alone)
    again = evalstream("run", FAULTY, "--warehouse", url, "--json").documents
    assert len(again) < len(second) / 4  # only what still waits is decided again


def test_coverage_is_told(evalstream: Run, tmp_path: Path) -> None:
    (tmp_path / "evalstream.yaml").write_text(CONFIG)
    url = f"sqlite:///{tmp_path / 'w.db'}"
    evalstream("run", FAULTY, "--warehouse", url)
    done = evalstream("scores", "--coverage", "--by", "tool_name", "--json", EVALSTREAM_WAREHOUSE_URL=url)
    lines = {(d["evaluator"], d["segment"]): d for d in done.documents}
    assert lines["tool_result_schema_drift", "get_reservation_details"]["coverage"] == 1.0
    table = evalstream("scores", "--coverage", EVALSTREAM_WAREHOUSE_URL=url)
    assert table.code == 0 and "learning" in table.out
