"""Peers on the tool calls of the same traces; run by a Python that has them installed, not by ours.

Reads JSON from standard input: for each trace its tool calls as ``{"name", "arguments", "schema"}`` and its spans as a tree
of ``{"type", "name", "input", "output", "children"}``; writes microseconds of CPU a span, and on how many traces a peer fired.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

Work = dict[str, Any]


def jsonschema(traces: list[Work]) -> int:
    """Arguments against the definitions: what `tool_call_schema_valid` does; validators are kept."""
    library = importlib.import_module("jsonschema")
    validators: dict[str, Any] = {}
    fired = 0
    for trace in traces:
        wrong = 0
        for call in trace["calls"]:
            if call["schema"]:
                kept = validators.get(call["name"])
                if kept is None:
                    kept = validators[call["name"]] = library.Draft202012Validator(call["schema"])
                wrong += not kept.is_valid(call["arguments"])
        fired += bool(wrong)
    return fired


def deepeval_loops(traces: list[Work]) -> int:
    """Repeated calls and stagnation: what `agent_loop` does."""
    metrics = importlib.import_module("deepeval.metrics")
    cases = importlib.import_module("deepeval.test_case")
    fired = 0
    for trace in traces:
        metric = metrics.AgentLoopDetectionMetric(async_mode=False)
        case = cases.LLMTestCase(input="x", actual_output="y")
        case._trace_dict = trace["tree"]
        metric.measure(case, _show_indicator=False)
        fired += not metric.is_successful()
    return fired


PEERS: dict[str, Callable[[list[Work]], int]] = {
    "jsonschema": jsonschema,
    "deepeval AgentLoopDetection": deepeval_loops,
}


def main() -> None:
    traces: list[Work] = json.load(sys.stdin)
    spans = sum(1 + len(trace["tree"]["children"]) for trace in traces)
    found: dict[str, Any] = {}
    for name, peer in PEERS.items():
        try:
            peer(traces[:1])
            start = time.process_time()
            fired = peer(traces)
            found[name] = {"us_a_span": 1e6 * (time.process_time() - start) / spans, "fired": fired}
        except Exception as error:
            found[name] = {"error": f"{type(error).__name__}: {error}"[:200]}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
