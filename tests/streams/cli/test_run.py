"""`run`: the same evaluators without Kafka."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.brokers import ROOT, free_port
from tests.streams.cli.conftest import Run

CLEAN = str(ROOT / "examples" / "traces" / "airline.otlp.jsonl.gz")
CONFIG = """\
project: here
evaluators:
  - {type: tokens, target: trace}
  - {type: tool_error_as_success}
  - {type: length, name: turns, target: session}
  - {type: llm_judge, name: helpful, sample_rate: 0.5, options: {rubric: helpfulness}}
"""


@pytest.fixture
def run(evalstream: Run, tmp_path: Path) -> Run:
    (tmp_path / "evalstream.yaml").write_text(CONFIG)
    return lambda *arguments, **environ: evalstream("run", *arguments, **environ)


def span(span_id: str, text: str) -> dict[str, object]:
    return {
        "span_id": span_id,
        "kind": "llm",
        "start": "2026-01-01T00:00:00Z",
        "end": "2026-01-01T00:00:01Z",
        "output_messages": [{"role": "assistant", "content": text}],
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }


def test_prints_figures_and_what_waits_for_judges(run: Run) -> None:
    done = run(CLEAN)
    assert done.code == 0
    for word in ("tokens", "tool_error_as_success", "helpful", "pass rate", "coverage"):
        assert word in done.out
    assert "--judges" in done.err


def test_json_is_every_decision_and_the_same_each_time(run: Run) -> None:
    first, second = run(CLEAN, "--json"), run(CLEAN, "--json")
    assert first.code == 0 and first.out == second.out
    keys = [(d["trace_id"], d["evaluator"], d["span_id"]) for d in first.documents]
    assert len(keys) == len(set(keys)) > 100
    assert {d["source"] for d in first.documents} == {None}


def test_pieces_of_a_trace_are_one_trace(run: Run, tmp_path: Path) -> None:
    """In any order, in several lines and files, repeated, as OTLP or native."""
    whole = {"trace_id": "t1", "session_id": "s1", "spans": [span("1", "one"), span("2", "two")]}
    (tmp_path / "whole.jsonl").write_text(json.dumps(whole))
    for number in (0, 1):
        (tmp_path / f"{number}.jsonl").write_text(json.dumps({**whole, "spans": whole["spans"][number : number + 1]}))
    wanted = run("whole.jsonl", "--json")
    pieces = run("1.jsonl", "0.jsonl", "1.jsonl", "--json")
    assert wanted.code == pieces.code == 0
    assert wanted.documents and [d["value"] for d in wanted.documents if d["evaluator"] == "tokens"] == [6]
    drop = {"revision"}
    strip = [{k: v for k, v in d.items() if k not in drop} for d in pieces.documents]
    assert sorted(map(str, strip)) == sorted(
        str({k: v for k, v in d.items() if k not in drop}) for d in wanted.documents
    )
    assert [d["session_id"] for d in wanted.documents if d["evaluator"] == "turns"] == ["s1"]


def test_a_warehouse_keeps_them_and_nothing_is_done_twice(run: Run, evalstream: Run, tmp_path: Path) -> None:
    url = "sqlite:///kept.db"
    first = run(CLEAN, "--warehouse", url, "--json")
    assert first.code == 0 and first.documents
    again = run(CLEAN, "--warehouse", url, "--json")
    assert again.code == 0 and again.documents == []
    rows = evalstream("scores", "--json", "-n", "100000", EVALSTREAM_WAREHOUSE_URL=url).documents
    assert {d["score_id"] for d in rows} == {d["score_id"] for d in first.documents}
    assert not any(row["measured"] for row in rows)
    other = run(CLEAN, "--warehouse", url, EVALSTREAM_KEY="another")
    assert other.code == 2 and "EVALSTREAM_KEY is not the key" in other.err


def test_bad_lines_are_told_and_the_rest_is_evaluated(run: Run, tmp_path: Path) -> None:
    good = json.dumps({"trace_id": "t1", "spans": [span("1", "one")]})
    (tmp_path / "mixed.jsonl").write_text(f"{good}\n{{oops\n{good.replace('t1', 't2')}\n")
    done = run("mixed.jsonl", "--json")
    assert done.code == 1 and "error: mixed.jsonl:2: undecodable" in done.err
    assert {d["trace_id"] for d in done.documents} == {"t1", "t2"}
    assert run("nowhere.jsonl").code == 2


def test_judges_need_a_key_or_an_address(run: Run) -> None:
    refused = run(CLEAN, "--judges")
    assert refused.code == 2 and "OPENAI_API_KEY" in refused.err and "Traceback" not in refused.err


def test_a_judge_that_is_away_is_a_failed_decision(run: Run, tmp_path: Path) -> None:
    (tmp_path / "evalstream.yaml").write_text(CONFIG + "judge: {max_attempts: 1, timeout_s: 2, deadline_s: 3}\n")
    away = {"OPENAI_BASE_URL": f"http://127.0.0.1:{free_port()}/v1", "OPENAI_API_KEY": "none"}
    done = run(CLEAN, "--judges", "--json", **away)
    verdicts = [d for d in done.documents if d["evaluator"] == "helpful"]
    assert done.code == 0 and len(verdicts) > 5
    assert all(d["status"] == "failed" and d["error_type"] and d["value"] is None for d in verdicts)
