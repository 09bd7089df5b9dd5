"""`evalstream evaluators test`."""

from __future__ import annotations

from pathlib import Path

import orjson

from evaluators.presets import FAILURE_MODES
from tests.brokers import ROOT
from tests.streams.cli.conftest import Run

FAULTY = ROOT / "examples" / "traces" / "airline_faulty.otlp.jsonl.gz"
LABELS = ROOT / "examples" / "traces" / "airline_faulty.labels.jsonl"


def test_a_table_of_what_fires(evalstream: Run) -> None:
    done = evalstream("evaluators", "test", str(FAULTY))
    assert done.code == 0, done.err
    for name in FAILURE_MODES:
        assert f" {name} " in done.out
    assert "Findings" in done.out and "arguments" in done.out


def test_findings_as_json_name_the_step_at_fault(evalstream: Run) -> None:
    done = evalstream("evaluators", "test", str(FAULTY), "--preset", "failure_modes", "--json")
    assert done.code == 0, done.err
    found = {(finding["trace_id"], finding["span_id"]) for finding in done.documents}
    for finding in done.documents:
        assert finding["explanation"] and finding["evaluator"] in FAILURE_MODES
    labels = [orjson.loads(line) for line in LABELS.read_bytes().splitlines()]
    invented = [label for label in labels if label["fault"] == "invented_id"]
    assert invented and all((label["trace_id"], label["span_id"]) in found for label in invented)


def test_the_configuration_decides_where_there_is_one(evalstream: Run, tmp_path: Path) -> None:
    (tmp_path / "evalstream.yaml").write_text("evaluators: [{type: length, options: {max: 1}}]\n")
    done = evalstream("evaluators", "test", str(FAULTY), "--json")
    assert {finding["evaluator"] for finding in done.documents} == {"length"}
    preset = evalstream("evaluators", "test", str(FAULTY), "--json", "--preset", "failure_modes")
    assert "length" not in {finding["evaluator"] for finding in preset.documents}
    wrong = evalstream("evaluators", "test", str(FAULTY), "--preset", "failures")
    assert wrong.code == 2 and "there is no preset 'failures'; there are failure_modes" in wrong.err
