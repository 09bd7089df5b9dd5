"""`evalstream up` from start to stop, as a person uses it: send, look, send again, stop."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from tests.brokers import ROOT
from tests.e2e.probes import Scrape, get, ready

CLEAN = ROOT / "examples" / "traces" / "airline.otlp.jsonl.gz"
START_S, SETTLE_S, STOP_S = 180, 240, 60

pytestmark = pytest.mark.timeout(400)


class Up:
    """A running `evalstream up` with the demo's configuration, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("EVALSTREAM_", "KAFKA_", "OPENAI_"))},
            "PYTHONPATH": str(ROOT),
            "EVALSTREAM_DATA": str(self.data),
            "EVALSTREAM_CONFIG": str(ROOT / "examples" / "evalstream.yaml"),
        }
        self.folder = folder
        self.log = folder / "up.log"
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [*command(), "up", "--port", "0", "--broker-port", "0"],
                cwd=folder,
                env=self.environment,
                stdout=out,
                stderr=out,
            )

    def run(self, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
        done = subprocess.run(
            [*command(), *arguments, "--json"], cwd=self.folder, env=self.environment, capture_output=True, timeout=400
        )
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stderr.decode()}\n{self.logs()}"
        return [json.loads(line) for line in done.stdout.splitlines()]

    def runtime(self) -> dict[str, Any]:
        return json.loads((self.data / "up.json").read_bytes())

    def pids(self) -> set[int]:
        return {component["pid"] for component in self.runtime()["components"].values()} - {None}

    def settle(self) -> dict[str, Any]:
        [status] = self.run("status", "--wait", str(SETTLE_S), "--caught-up")
        return status

    def logs(self) -> str:
        logs = [self.log, *sorted((self.data / "logs").glob("*.log"))]
        return "\n".join(f"== {log.name}\n{log.read_text()[-3000:]}" for log in logs)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(STOP_S)


def command() -> list[str]:
    return [sys.executable, "-m", "streams.cli.main"]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    found = Up(tmp_path_factory.mktemp("up"))
    try:
        found.run("status", "--wait", str(START_S))
        yield found
    finally:
        if found.process.poll() is None:
            found.stop()


Decision = tuple[str, str, str, str]


def decisions(rows: list[dict[str, Any]]) -> dict[Decision, tuple[Any, ...]]:
    """Value and verdict by (trace, evaluator, target); a second decision for the same is an error."""
    found: dict[Decision, tuple[Any, ...]] = {}
    for row in rows:
        target = row["span_id"] or row["target"]
        key = (row["trace_id"], row["evaluator"], row["evaluator_version"], target)
        assert key not in found, f"two current decisions for {key}"
        passed = None if row["passed"] is None else bool(row["passed"])
        found[key] = (row["status"], row["value"], row["label"], passed, row["explanation"], row["skip_reason"])
    return found


CURRENT = """
SELECT trace_id, evaluator, evaluator_version, target, span_id, status, value, label, passed, explanation, skip_reason
FROM v_scores_current WHERE trace_id IN (SELECT trace_id FROM traces WHERE project = 'airline-agent')
"""


def test_files_are_decided_once_and_as_without_kafka(up: Up) -> None:
    [published] = up.run("publish", str(CLEAN))
    assert published["traces"] == 40
    status = up.settle()
    assert status["ready"] and status["caught_up"]
    time.sleep(3)  # what is called caught up must be final
    [later] = up.run("status")
    assert later["counts"] == status["counts"] and later["counts"]["traces"] == 40
    streamed = decisions(up.run("query", CURRENT, "--limit", "100000"))
    judge = up.runtime()["judge_base_url"]
    up.environment |= {"OPENAI_BASE_URL": judge, "OPENAI_API_KEY": "none"}
    try:
        offline = decisions(up.run("run", str(CLEAN), "--judges"))
    finally:
        del up.environment["OPENAI_BASE_URL"], up.environment["OPENAI_API_KEY"]
    assert len({key[0] for key in streamed}) == 40
    assert {key[1] for key in streamed} >= {"unknown_tool", "tokens", "helpfulness", "no_repeated_call"}
    assert streamed == offline
    before = up.run("query", "SELECT (SELECT count(*) FROM scores), (SELECT count(*) FROM spans)")
    up.run("publish", str(CLEAN))
    up.settle()
    assert up.run("query", "SELECT (SELECT count(*) FROM scores), (SELECT count(*) FROM spans)") == before
    assert decisions(up.run("query", CURRENT, "--limit", "100000")) == streamed


def test_every_worker_says_where_it_can_be_asked(up: Up) -> None:
    components = up.runtime()["components"]
    urls = {name: components[name]["url"] for name in ("assemble", "evaluate", "judge", "monitor")}
    shown = up.log.read_text()
    for url in urls.values():
        assert get(f"{url}/healthz")[0] == 200 and ready(url) == (200, {"ready": True, "reasons": []})
        assert url in shown
    assert Scrape(urls["evaluate"]).total("evalstream_records_total", topic="traces") >= 40
    assert get(f"{up.runtime()['receiver_url']}/metrics")[0] == 200


def test_an_instrumented_program_sends_to_it(up: Up) -> None:
    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{up.runtime()['receiver_url']}/v1/traces")))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("invoke_agent shop") as root:
        root.set_attribute("gen_ai.operation.name", "invoke_agent")
        with tracer.start_as_current_span("execute_tool search") as tool:
            tool.set_attribute("gen_ai.operation.name", "execute_tool")
            tool.set_attribute("gen_ai.tool.name", "search")
            tool.set_attribute("gen_ai.tool.call.result", "Error: upstream timeout")
    provider.shutdown()
    trace_id = f"{root.get_span_context().trace_id:032x}"
    up.settle()
    [why] = up.run("why", trace_id)
    [found] = [d for d in why["decisions"] if d["evaluator"] == "tool_error_as_success"]
    assert found["passed"] is False and found["current"] and why["trace"]["project"] == "shop"
    assert why["passed_over"]["tokens"] in ("no_target", "filtered") or why["decisions"]
    shown = subprocess.run(
        [*command(), "why", trace_id], env=up.environment, capture_output=True, text=True, check=True
    )
    assert "tool_error_as_success" in shown.stdout and "execute" not in shown.stderr
    up.run("feedback", trace_id, "--score", "0", "--comment", "wrong")
    up.settle()
    [human] = up.run("scores", "--trace", trace_id, "--evaluator", "human")
    assert human["kind"] == "human" and human["value"] == 0 and human["passed"] is False


def test_a_bad_trace_hurts_nobody(up: Up, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text(
        '{"trace_id": "b1", "spans": [{"span_id": "1", "start": "2026-01-01"}]}\n{oops\n'
    )
    [published] = up.run("publish", str(tmp_path / "bad.jsonl"), code=1)
    assert (published["records"], published["bad"]) == (1, 1)
    up.settle()
    [why] = up.run("why", "b1")
    assert why["trace"]["trace_id"] == "b1"
    up.run("why", "never seen", code=1)


def test_reload_tells_who_took_up_the_changed_file(up: Up) -> None:
    before = up.runtime()["components"]
    [told] = up.run("reload", "--wait", "60")
    assert told["reloaded"] == dict.fromkeys(("assemble", "evaluate", "judge", "monitor"), True)
    after = up.runtime()["components"]
    assert {name: one["pid"] for name, one in after.items()} == {name: one["pid"] for name, one in before.items()}
    assert Scrape(after["judge"]["url"]).total("evalstream_config_reloads_total", outcome="ok") == 1


def test_replay_finds_what_an_added_evaluator_lacks(up: Up, tmp_path: Path) -> None:
    wider = tmp_path / "wider.yaml"
    text = (ROOT / "examples" / "evalstream.yaml").read_text()
    shutil.copy(ROOT / "examples" / "checks.py", tmp_path)
    wider.write_text(text.replace("evaluators:\n", "evaluators:\n  - {name: late, type: length, target: trace}\n", 1))
    times = ("--from", "2020-01-01", "--to", "2100-01-01")
    [counted] = up.run("replay", *times, "--dry-run", "-c", str(wider))
    assert {e["evaluator"]: e["scored"] for e in counted["evaluators"] if e["scored"]}.keys() == {"late"}
    assert up.run("scores", "--evaluator", "late") == []
    before = up.run("query", "SELECT count(*) FROM alerts")
    [replayed] = up.run("replay", *times, "-c", str(wider))
    [late] = [e for e in replayed["evaluators"] if e["evaluator"] == "late"]
    assert late["scored"] >= 40
    rows = up.run("query", "SELECT measured, source_topic FROM scores WHERE evaluator = 'late'")
    assert len(rows) == late["scored"]
    assert all(not row["measured"] and row["source_topic"] is None for row in rows)
    [again] = up.run("replay", *times, "-c", str(wider))
    assert not any(e["scored"] for e in again["evaluators"])
    assert up.run("query", "SELECT count(*) FROM alerts") == before
    assert up.run("replay", "--from", "2020-01-01", "--to", "2020-01-02")[0]["records"] == 0


def test_only_one_in_a_folder(up: Up) -> None:
    second = subprocess.run(
        [*command(), "up", "--port", "0"], env=up.environment, cwd=up.folder, capture_output=True, text=True, timeout=60
    )
    assert second.returncode == 2 and "another `evalstream up` runs" in second.stderr


def test_the_key_is_private_and_the_password_is_not_written(up: Up) -> None:
    assert (up.data / "key").stat().st_mode & 0o777 == 0o600
    assert len((up.data / "key").read_text().strip()) == 64
    assert (up.data / "key").read_text().strip() not in (up.data / "up.json").read_text()


def test_a_killed_component_is_started_again(up: Up) -> None:
    before = up.runtime()["components"]["monitor"]["pid"]
    os.kill(before, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while up.runtime()["components"]["monitor"]["restarts"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    up.run("status", "--wait", "60")
    assert up.runtime()["components"]["monitor"]["pid"] != before


def test_sigterm_leaves_no_process_behind(up: Up) -> None:
    pids = up.pids() | {up.process.pid}
    groups = {pid for pid in pids if pid != up.process.pid}
    assert groups <= working_for(up.data)
    assert len(groups) == 7
    assert up.stop() == 0, up.log.read_text()
    assert not [pid for pid in pids if is_alive(pid)]
    assert not in_groups(groups) and not working_for(up.data)
    [summary] = [row for row in up.run("scores", "--summary") if row["evaluator"] == "tokens"]
    assert summary["scored"] >= 40, "the warehouse can be read after the end"
    assert up.run("query", "SELECT count(*) AS n FROM v_spans")[0]["n"] > 400


def test_a_killed_supervisor_takes_its_children_along(tmp_path: Path) -> None:
    found = Up(tmp_path)
    found.run("status", "--wait", str(START_S))
    groups = found.pids()
    found.stop(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while in_groups(groups) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not in_groups(groups)


def test_a_wrong_configuration_of_a_part_stops_everything(up: Up) -> None:
    """The warehouse of the tests above was filled with another key."""
    assert up.process.poll() is not None
    done = subprocess.run(
        [*command(), "up", "--port", "0"],
        env={**up.environment, "EVALSTREAM_KEY": "another"},
        cwd=up.folder,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 2, done
    assert "is not the key that this warehouse was filled with" in done.stderr and "Traceback" not in done.stderr
    assert not working_for(up.data)


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def in_groups(groups: set[int]) -> set[int]:
    """Processes whose process group is one of these."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (OSError, NotADirectoryError):
            continue
        if int(fields[2]) in groups and fields[0] != "Z":
            found.add(int(entry.name))
    return found


def working_for(data: Path) -> set[int]:
    """Processes that were told of this data folder."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"EVALSTREAM_DATA={data}".encode() in (entry / "environ").read_bytes():
                found.add(int(entry.name))
        except OSError:
            continue
    return found
