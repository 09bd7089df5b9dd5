"""Recall, false alarms and cost of `presets: [failure_modes]`, beside baselines without thought and beside peers.

    python -m tests.benchmarks.failure_modes [--half report|develop|all] [--peers PYTHON]

Recall: runs with one injected fault each; found is one where a finding blames the labelled span. False alarms: findings on
clean runs, for 1,000 of their spans; a finding on a span whose recorded result is an error is none. Half of the traces, by
their ids, was for developing; the other half reports. Profiles are learned in file order, two ways: on the clean runs first,
and on the runs with faults alone (each file is read once; what waits for its profile is decided at its end).
Reads ../shared/data, else examples/traces.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, get_args

import orjson
from rich.console import Console
from rich.table import Table

from evaluators.build import build_suite
from evaluators.protocol import Target
from evaluators.run import Suite
from evaluators.tool_calls import CallIndex
from schemas.otlp import TraceFragment, decode
from schemas.score import Score
from schemas.settings import parse_settings
from schemas.trace import Trace
from tests.benchmarks.failure_baselines import BASELINES
from tests.evaluators.learned import School
from tests.schemas.recorded import EXAMPLES, HASHER, SHARED, lines, whole

MIN_RECALL = 0.95
MAX_FALSE_ALARMS = 5.0
MAX_MS = 1.0
REPEATS = 3
WIDTH = 160
Found = tuple[str, str]  # trace id, span id
Learned = Literal["clean first", "faults alone"]


@dataclass(frozen=True)
class Data:
    """Clean runs with the spans whose recorded results are errors, and runs with one fault each, in file order; `reported`
    are the traces that count."""

    clean: tuple[Trace, ...]
    errors: frozenset[Found]
    faulty: tuple[Trace, ...]
    faults: Mapping[Found, str]
    reported: frozenset[str]

    @property
    def clean_reported(self) -> list[Trace]:
        return [trace for trace in self.clean if trace.trace_id in self.reported]

    @property
    def faults_reported(self) -> Counter[str]:
        """Runs of each fault."""
        return Counter(fault for (trace_id, _), fault in self.faults.items() if trace_id in self.reported)


@dataclass
class Result:
    """What a set of findings is worth."""

    hits: Counter[str] = field(default_factory=Counter)
    by: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    true_alarms: Counter[str] = field(default_factory=Counter)
    false_alarms: Counter[str] = field(default_factory=Counter)


def load(half: str = "all") -> Data:
    """The shared data, or the examples where it is absent."""
    if SHARED.is_dir():
        clean, faulty = read(SHARED / "airline_dev.otlp.jsonl.gz"), read(SHARED / "airline_dev_faults.otlp.jsonl.gz")
        labels = [orjson.loads(line) for line in lines(SHARED / "airline_dev.labels.jsonl.gz")]
        errors = {(label["trace_id"], span) for label in labels for span in label["tool_error_span_ids"]}
        faults = [orjson.loads(line) for line in lines(SHARED / "airline_dev_faults.labels.jsonl.gz")]
    else:
        clean, faulty = read(EXAMPLES / "airline.otlp.jsonl.gz"), read(EXAMPLES / "airline_faulty.otlp.jsonl.gz")
        # In these recordings every error begins so, and nothing else does.
        errors = {(t.trace_id, s.span_id) for t in clean for s in t.spans if str(s.result).startswith("Error")}
        faults = [orjson.loads(line) for line in (EXAMPLES / "airline_faulty.labels.jsonl").read_bytes().splitlines()]
    marked = {label["trace_id"] for label in faults}
    faulty = [trace for trace in faulty if trace.trace_id in marked]
    return Data(
        tuple(clean),
        frozenset(errors),
        tuple(faulty),
        {(label["trace_id"], label["span_id"]): label["fault"] for label in faults},
        frozenset(t.trace_id for t in (*clean, *faulty) if is_in(t, half)),
    )


def read(path: Path) -> list[Trace]:
    """The traces of a file in its order."""
    found: dict[str, list[TraceFragment]] = defaultdict(list)
    for line in lines(path):
        for fragment in decode(line, HASHER):
            found[fragment.trace_id].append(fragment)
    return [whole(fragments) for fragments in found.values()]


def is_in(trace: Trace, half: str) -> bool:
    odd = blake2b(trace.trace_id.encode(), digest_size=1).digest()[0] % 2
    return half == "all" or odd == (half == "report")


def build() -> Suite:
    return build_suite(*parse_settings("presets: [failure_modes]", "benchmark.yaml", {}))


def measure(data: Data, suite: Suite, learned: Learned = "clean first") -> Result:
    """Recall and false alarms of the evaluators."""
    result, hit = Result(), set[Found]()
    first, second = School(suite), School(suite)
    clean, faulty = first.run(data.clean), (first if learned == "clean first" else second).run(data.faulty)
    for trace_id, found, score in findings(clean):
        if trace_id in data.reported:
            (result.true_alarms if found in data.errors else result.false_alarms)[score.evaluator] += 1
    for trace_id, found, score in findings(faulty):
        if trace_id in data.reported and found in data.faults:
            hit.add(found)
            result.by[data.faults[found]][score.evaluator] += 1
    result.hits = Counter(data.faults[found] for found in hit)
    return result


def findings(decided: Iterable[tuple[Trace, Sequence[Score]]]) -> Iterator[tuple[str, Found, Score]]:
    for trace, scores in decided:
        for score in scores:
            if score.passed is False:
                yield trace.trace_id, (trace.trace_id, score.blamed_span_id or score.span_id or ""), score


def measure_baseline(data: Data, name: str) -> tuple[Counter[str], int]:
    """Hits per fault and false alarms. A baseline that looks back sees the clean runs first, as it would in operation."""
    clean = {trace.trace_id for trace in data.clean}
    blamed = {found for found in BASELINES[name]([*data.clean, *data.faulty]) if found[0] in data.reported}
    hits = Counter(fault for found, fault in data.faults.items() if found in blamed)
    return hits, len({found for found in blamed if found[0] in clean} - data.errors)


def cost_ms(suite: Suite, traces: Sequence[Trace]) -> list[float]:
    """CPU milliseconds a span, for each trace the best of a few runs, everything included: features, learning, deciding by
    profiles of the other traces."""
    found, school = [], School(suite)
    for trace in traces:
        school.attend(trace)
    for trace in traces:
        best = min(timed(school, trace) for _ in range(REPEATS))
        found.append(1000 * best / len(trace.spans))
    return sorted(found)


def timed(school: School, trace: Trace) -> float:
    fresh = trace.model_copy()  # what is worked out once for a trace is worked out again
    start = time.process_time()
    school.attend(fresh)
    return time.process_time() - start


def cost_by_evaluator(traces: Sequence[Trace]) -> dict[str, float]:
    """CPU microseconds a span of each evaluator alone, with what it shares with others."""
    return {
        evaluator.name: 1000 * statistics.median(cost_ms(only, traces))
        for evaluator in build().evaluators
        for only in [build_suite(*parse_settings(f"evaluators: [{{type: {evaluator.name}}}]", "benchmark.yaml", {}))]
    }


def peers(python: str, traces: Sequence[Trace]) -> dict[str, Any]:
    """Peers on the same traces, in an environment of their own."""
    script = Path(__file__).with_name("failure_peers.py")
    work = json.dumps([_work(trace) for trace in traces])
    done = subprocess.run([python, str(script)], input=work, capture_output=True, text=True, timeout=600)
    return (
        dict(json.loads(done.stdout[done.stdout.index("{") :]))
        if done.returncode == 0
        else {"error": done.stderr[-300:]}
    )


def _work(trace: Trace) -> dict[str, Any]:
    index = CallIndex.of(Target(trace))
    calls, children = [], []
    for span in sorted(trace.spans, key=lambda s: (s.start, s.span_id)):
        if span.kind == "tool":
            schema = (index.definitions(span).get(span.tool_name or "") or {}).get("parameters")
            calls.append({"name": span.tool_name, "arguments": span.arguments, "schema": schema})
            shown = {"name": span.tool_name, "input": span.arguments, "output": span.result}
        else:
            said = "\n".join(m.content for m in trace.outputs(span))
            shown = {"name": span.name, "input": "\n".join(m.content for m in trace.inputs(span)), "output": said}
        if span.kind in ("tool", "llm"):
            children.append({"type": span.kind, **shown, "children": []})
    return {"calls": calls, "tree": {"type": "agent", "name": "agent", "input": "", "output": "", "children": children}}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--half", choices=("report", "develop", "all"), default="report")
    parser.add_argument("--peers", metavar="PYTHON", help="a Python that has deepeval and jsonschema installed")
    options = parser.parse_args()
    console = Console(width=WIDTH)
    data, suite = load(options.half), build()
    clean = data.clean_reported
    spans = sum(len(trace.spans) for trace in clean)
    results = {learned: measure(data, suite, learned) for learned in get_args(Learned)}
    baselines = {name: measure_baseline(data, name) for name in BASELINES}
    faults = data.faults_reported.total()
    console.print(f"half: {options.half}; {len(clean)} clean runs, {spans} spans; {faults} runs with a fault")
    console.print(_recall(data, results, baselines))
    console.print(_alarms(results["clean first"], baselines, spans))
    _cost(console, clean, suite, options.peers)


def _recall(data: Data, results: Mapping[str, Result], baselines: Mapping[str, tuple[Counter[str], int]]) -> Table:
    table = Table("fault", "runs", *results, *baselines, "named by", title="Recall, with the right span named")
    for fault, number in data.faults_reported.items():
        recalls = [result.hits[fault] / number for result in results.values()]
        by = ", ".join(f"{name} {count}" for name, count in results["clean first"].by[fault].most_common())
        cells = [f"{recall:.2f}" for recall in (*recalls, *(hits[fault] / number for hits, _ in baselines.values()))]
        table.add_row(fault, str(number), *cells, by, style=None if min(recalls) >= MIN_RECALL else "red")
    return table


def _alarms(result: Result, baselines: Mapping[str, tuple[Counter[str], int]], spans: int) -> Table:
    table = Table("evaluator", "on recorded errors", "false", "false a 1,000 spans", title="Findings on clean runs")
    for name in sorted(result.true_alarms | result.false_alarms):
        wrong = result.false_alarms[name]
        table.add_row(name, str(result.true_alarms[name]), str(wrong), f"{1000 * wrong / spans:.2f}")
    wrong = result.false_alarms.total()
    table.add_row(
        "all",
        str(result.true_alarms.total()),
        str(wrong),
        f"{1000 * wrong / spans:.2f} (at most {MAX_FALSE_ALARMS})",
        style="bold",
    )
    for name, (_, false) in baselines.items():
        table.add_row(f"baseline: {name}", "", str(false), f"{1000 * false / spans:.2f}", style="dim")
    return table


def _cost(console: Console, traces: Sequence[Trace], suite: Suite, python: str | None) -> None:
    found = cost_ms(suite, traces)
    middle, worst = statistics.median(found), found[int(0.99 * (len(found) - 1))]
    console.print(
        f"CPU a span, whole set: median {middle:.3f} ms (at most {MAX_MS}), 99 % of traces below {worst:.3f} ms"
    )
    sample = traces[:30]
    table = Table(
        "alone", "µs a span", "", title=f"Cost of each evaluator alone, and of peers, on {len(sample)} clean runs"
    )
    for name, cost in cost_by_evaluator(sample).items():
        table.add_row(name, f"{cost:.0f}", "")
    for name, peer in peers(python, sample).items() if python else ():
        told = (
            (f"{peer['us_a_span']:.0f}", f"fired on {peer['fired']} runs") if "us_a_span" in peer else ("", str(peer))
        )
        table.add_row(f"peer: {name}", *told, style="dim")
    console.print(table)
    if not python:
        console.print("peers: --peers PYTHON, of an environment with deepeval and jsonschema")


if __name__ == "__main__":
    main()
