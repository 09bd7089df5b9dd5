"""`evalstream delete`, as a person uses it on a warehouse that `run` has filled."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tests.e2e.hostile import native, span
from tests.streams.cli.conftest import Run

CONFIG = """\
project: demo
evaluators:
  - {type: length, target: trace, options: {max: 4000}}
"""
ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.fixture
def filled(tmp_path: Path, evalstream: Run) -> Run:
    """Two traces of Ann and one of Bob; the commands of the test go to their warehouse."""
    (tmp_path / "evalstream.yaml").write_text(CONFIG)
    traces = [
        native("a1", span("a"), user_id=ANN, session_id="s"),
        native("a2", span("a"), user_id=ANN, session_id="t"),
        native("b1", span("a"), user_id=BOB, session_id="s"),
    ]
    (tmp_path / "traces.jsonl").write_bytes(b"\n".join(orjson.dumps(trace) for trace in traces))

    def run(*arguments: str, **environ: str) -> object:
        return evalstream(*arguments, EVALSTREAM_KEY="k", EVALSTREAM_WAREHOUSE_URL="sqlite:///w.db", **environ)

    done = run("run", "traces.jsonl", "--warehouse", "sqlite:///w.db")
    assert done.code == 0, done.err  # type: ignore[attr-defined]
    return run  # type: ignore[return-value]


def _traces(run: Run) -> list[str]:
    return [row["trace_id"] for row in run("query", "SELECT trace_id FROM traces ORDER BY 1", "--json").documents]


def test_a_user_by_the_address_that_redaction_hides(filled: Run) -> None:
    counted = filled("delete", "user", ANN, "--dry-run", "--json").documents[0]
    assert (counted["traces"], counted["dry_run"]) == (2, True) and counted["rows"]["spans"] == 2
    assert _traces(filled) == ["a1", "a2", "b1"]
    gone = filled("delete", "user", ANN, "--yes", "--json")
    assert gone.code == 0 and gone.documents[0]["rows"]["spans"] == 2
    assert _traces(filled) == ["b1"]
    again = filled("run", "traces.jsonl", "--warehouse", "sqlite:///w.db")
    assert again.code == 0 and "2 traces were left out: they were deleted" in again.err
    assert _traces(filled) == ["b1"]


def test_a_session_and_a_trace(filled: Run) -> None:
    shown = filled("delete", "session", "s", "--yes")
    assert shown.code == 0 and "2 traces of 1 session(s)" in shown.out and "retention" in shown.err
    assert _traces(filled) == ["a2"]
    assert filled("delete", "trace", "a2", "never-seen", "--yes").code == 0
    assert _traces(filled) == []


def test_nobody_to_ask_and_another_key(filled: Run) -> None:
    asked = filled("delete", "trace", "a1")
    assert asked.code == 2 and "say --yes" in asked.err
    assert _traces(filled) == ["a1", "a2", "b1"]


def test_another_key_is_told(filled: Run, evalstream: Run) -> None:
    other = evalstream("delete", "trace", "a1", "--yes", EVALSTREAM_KEY="x", EVALSTREAM_WAREHOUSE_URL="sqlite:///w.db")
    assert other.code == 2 and "EVALSTREAM_KEY is not the key" in other.err
