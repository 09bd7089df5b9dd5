"""`make demo`: the whole path on this machine, over recorded runs of an airline agent.

Starts `evalstream up` in a folder of its own, sends it clean runs, then runs of a bad release, and shows what an operator
would look at: scores, a drift event, an alert, and why its worst trace failed. Ends with 1 when any of them is missing.
"""

from __future__ import annotations

import gzip
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parent
TRACES = EXAMPLES / "traces"
CLEAN_ROUNDS, FAULTY_ROUNDS = 3, 6
BROKEN_CALLS = ("unknown_tool", "missing_argument", "wrong_argument_type")
START_S, SETTLE_S, STOP_S = 60, 90, 40


def main() -> int:
    """Run it; the exit code."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="evalstream-demo-") as folder:
        data = Path(folder)
        environment = {**os.environ, "EVALSTREAM_DATA": folder, "EVALSTREAM_CONFIG": str(EXAMPLES / "evalstream.yaml")}
        for name in ("KAFKA_BOOTSTRAP_SERVERS", "EVALSTREAM_WAREHOUSE_URL"):  # the demo keeps to itself
            environment.pop(name, None)
        say(f"evalstream up --data {folder}", "everything on this machine; its files are removed afterwards")
        up = subprocess.Popen([*evalstream(), "up", "--port", "0", "--broker-port", "0"], env=environment)
        try:
            wait_for((data / "up.json").exists, START_S)
            time.sleep(2)  # for `up` to say where things are
            missing = story(data, environment)
        finally:
            say("^C", "stopping")
            up.send_signal(signal.SIGINT)
            up.wait(STOP_S)
    if missing:
        print(f"\nthe demo FAILED: {', '.join(missing)}", file=sys.stderr)
        return 1
    print(f"\nThat was the whole path, in {time.monotonic() - begun:.0f} s. Next: README.md, or `evalstream up`.")
    return 0


def story(data: Path, environment: dict[str, str]) -> list[str]:
    """Send and look; what should have been there and was not."""
    run = Commands(environment)
    run("status", "--wait", str(START_S), meaning="four components, each a process of its own")
    clean, faulty = data / "monday.otlp.jsonl", data / "release.otlp.jsonl"
    write(clean, recorded("airline"), CLEAN_ROUNDS)
    write(faulty, broken_calls(), FAULTY_ROUNDS)

    run(
        "publish", str(clean), meaning=f"{len(recorded('airline'))} clean runs, each {CLEAN_ROUNDS} times under new ids"
    )
    run("status", "--wait", str(SETTLE_S), "--caught-up", meaning="everything that was sent has been worked on")
    run("scores", "--summary")

    run("publish", str(faulty), meaning="a bad release: the agent invents tools and forgets arguments")
    run("status", "--wait", str(SETTLE_S), "--caught-up", meaning="everything that was sent has been worked on")
    wait_for(lambda: run.rows("alerts") and run.rows("drift"), 15)
    run("scores", "--summary")
    run("drift", "--evaluator", "tool_call_schema_valid", meaning="a detector noticed that the scores changed")
    run("alerts", "--limit", "1", meaning="and a rule that they are too low")
    alerts = run.rows("alerts")
    worst = next((trace["trace_id"] for alert in alerts for trace in alert["worst"]), None)
    if worst:
        run("why", worst, meaning="all decisions about its worst trace")
    summary = {row["evaluator"]: row for row in run.rows("scores", "--summary")}
    checks = {
        "no scores": summary.get("tool_call_schema_valid", {}).get("scored"),
        "no verdict of the judge": summary.get("helpfulness", {}).get("scored"),
        "no drift event": run.rows("drift"),
        "no critical alert": [alert for alert in alerts if alert["state"] == "CRITICAL"],
        "no worst trace": worst,
    }
    return [name for name, found in checks.items() if not found]


class Commands:
    """`evalstream` commands, shown as a person would type them."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def __call__(self, *arguments: str, meaning: str = "") -> None:
        shown = [f'"{a}"' if " " in a else Path(a).name if a.startswith("/") else a for a in arguments]
        say(f"evalstream {' '.join(shown)}", meaning)
        subprocess.run([*evalstream(), *arguments], env=self._environment, check=True)

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        done = subprocess.run(
            [*evalstream(), *arguments, "--json"], env=self._environment, stdout=subprocess.PIPE, check=True
        )
        return [json.loads(line) for line in done.stdout.splitlines()]


def recorded(name: str) -> list[dict[str, Any]]:
    """Export requests, one a run."""
    with gzip.open(TRACES / f"{name}.otlp.jsonl.gz", "rt") as file:
        return [json.loads(line) for line in file]


def broken_calls() -> list[dict[str, Any]]:
    """The faulty runs whose tool calls are wrong."""
    with (TRACES / "airline_faulty.labels.jsonl").open() as file:
        wanted = {label["trace_id"] for line in file if (label := json.loads(line))["fault"] in BROKEN_CALLS}
    return [request for request in recorded("airline_faulty") if next(spans_of(request))["traceId"] in wanted]


def write(file: Path, requests: list[dict[str, Any]], rounds: int) -> None:
    """The runs, `rounds` times, each as a trace of its own that ends about now."""
    with file.open("w") as out:
        for _ in range(rounds):
            for request in requests:
                out.write(json.dumps(as_new(request)) + "\n")


def as_new(request: dict[str, Any]) -> dict[str, Any]:
    """The same run under another trace id, moved to the present."""
    fresh = json.loads(json.dumps(request))
    spans = list(spans_of(fresh))
    trace_id = secrets.token_hex(16)
    shift = time.time_ns() - max(int(span["endTimeUnixNano"]) for span in spans)
    for span in spans:
        span["traceId"] = trace_id
        for name in ("startTimeUnixNano", "endTimeUnixNano"):
            span[name] = str(int(span[name]) + shift)
        for event in span.get("events", ()):
            event["timeUnixNano"] = str(int(event["timeUnixNano"]) + shift)
    return fresh


def spans_of(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All spans of a request."""
    for resource in request["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            yield from scope["spans"]


def wait_for(found: Any, seconds: float) -> None:
    """Look until it is there, or the time is over."""
    until = time.monotonic() + seconds
    while not found() and time.monotonic() < until:
        time.sleep(0.5)


def evalstream() -> list[str]:
    """The command, of the Python that runs this."""
    return [sys.executable, "-m", "streams.cli.main"]


def say(command: str, meaning: str) -> None:
    """A heading."""
    print(f"\n$ {command}" + (f"    # {meaning}" if meaning else ""), flush=True)


if __name__ == "__main__":
    sys.exit(main())
