"""Recorded runs as programs would have exported them: by the Collector's HTTP receiver, in pieces, the root last."""

from __future__ import annotations

import gzip
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tests.e2e.collector import Collector

PIECES = 3
TRACES_AN_EXPORT = 4
BATCH_S = 0.5  # longer than the Collector waits for a batch to fill


@dataclass(frozen=True)
class Run:
    """The spans of one trace, and what they have in common."""

    trace_id: str
    spans: Sequence[dict[str, Any]]
    resource: dict[str, Any]
    scope: dict[str, Any]

    def renamed(self, prefix: str) -> Run:
        """The same under another trace id, whose first characters are `prefix`."""
        trace_id = prefix + self.trace_id[len(prefix) :]
        return Run(trace_id, [{**span, "traceId": trace_id} for span in self.spans], self.resource, self.scope)

    def without_root(self) -> Run:
        return Run(self.trace_id, [s for s in self.spans if s.get("parentSpanId")], self.resource, self.scope)

    def pieces(self) -> list[Sequence[dict[str, Any]]]:
        """The spans in the order they ended, children before parents, cut in `PIECES`."""
        ordered = sorted(self.spans, key=lambda span: (not span.get("parentSpanId"), int(span["endTimeUnixNano"])))
        size = -(-len(ordered) // PIECES)
        return [ordered[start : start + size] for start in range(0, len(ordered), size)]

    def line(self) -> bytes:
        """As one line of OTLP/JSON."""
        scoped = [{"scope": self.scope, "spans": self.spans}]
        return orjson.dumps({"resourceSpans": [{"resource": self.resource, "scopeSpans": scoped}]}) + b"\n"


def recorded_runs(file: Path, count: int) -> list[Run]:
    """The first runs of a recording, and its largest."""
    lines = gzip.decompress(file.read_bytes()).splitlines()
    largest = max(range(len(lines)), key=lambda number: len(lines[number]))
    return [_run(lines[number]) for number in sorted({*range(count - 1), largest})]


def export(ways: Sequence[tuple[Collector, Sequence[Run]]]) -> None:
    """Each Collector gets its runs: several traces in an export, and the last piece of each, with the root, last."""
    for number in range(PIECES):
        for collector, runs in ways:
            for first in range(0, len(runs), TRACES_AN_EXPORT):
                some = [run for run in runs[first : first + TRACES_AN_EXPORT] if number < len(run.pieces())]
                if some:
                    collector.send([s for run in some for s in run.pieces()[number]], some[0].resource, some[0].scope)
        time.sleep(BATCH_S)


def _run(line: bytes) -> Run:
    [resource_spans] = orjson.loads(line)["resourceSpans"]
    [scope_spans] = resource_spans["scopeSpans"]
    spans = scope_spans["spans"]
    return Run(spans[0]["traceId"], spans, resource_spans["resource"], scope_spans["scope"])
