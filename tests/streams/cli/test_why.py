"""`evalstream why`: what failed first, what passed in a line."""

from __future__ import annotations

import gzip
from pathlib import Path

from tests.schemas.recorded import EXAMPLES
from tests.streams.cli.conftest import Run

CONFIG = "evaluators: [{type: tool_error_as_success}, {type: latency, options: {max_s: 100000}}, {type: tokens, target: trace}]"


def test_what_passed_shares_a_row_unless_all_is_asked_for(evalstream: Run, tmp_path: Path) -> None:
    (tmp_path / "evalstream.yaml").write_text(CONFIG)
    with gzip.open(EXAMPLES / "airline.otlp.jsonl.gz") as file:
        (tmp_path / "some.otlp.jsonl").write_bytes(b"".join(next(file) for _ in range(12)))
    url = {"EVALSTREAM_WAREHOUSE_URL": f"sqlite:///{tmp_path / 'w.db'}"}
    evalstream("run", "some.otlp.jsonl", "--warehouse", url["EVALSTREAM_WAREHOUSE_URL"])
    [failing, *_] = evalstream("scores", "--failing", "--json", **url).documents
    [found] = evalstream("why", failing["trace_id"], "--json", **url).documents
    spans = sum(decision["evaluator"] == "latency" for decision in found["decisions"])
    folded, every = (evalstream("why", failing["trace_id"], *more, **url).out for more in ((), ("--all",)))
    assert spans > 3 and f"{spans} spans" in folded and f"{spans} spans" not in every
    assert folded.count(" latency ") == 1 and every.count(" latency ") == spans
    rows = [line for line in folded.splitlines() if line.startswith("│")]
    assert failing["span_id"] in rows[0] and "Error" in rows[0]
