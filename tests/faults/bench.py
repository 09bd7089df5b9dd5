"""One stack under test: its workers, kept alive as a supervisor would, its traffic, and its judge."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from schemas.errors import Unavailable
from tests.brokers import ROOT, free_port
from tests.e2e.stack import COMPONENTS, Stack
from tests.faults.traffic import Record, Traffic, as_file
from tests.faults.webhooks import Webhooks
from tests.faults.worlds import World

CONFIG = """\
project: airline-agent
environment: production
kafka: {topic_prefix: PREFIX-, session_timeout_s: 6, batch_records: 40, partitions: 4}
assemble: {quiet_s: 1.0, rootless_quiet_s: 3.0}
sessions: {quiet_s: 2.0}
evaluate: {max_deaths: 50}  # workers are killed, but not by what they read
evaluators:
  - {type: tool_error_as_success}
  - {type: unknown_tool}
  - {type: tool_call_schema_valid}
  - {type: latency, options: {max_s: 30}}
  - {type: tokens, target: trace}
  - {type: refusal, target: trace}
  - {type: contains, name: polite, target: trace, sample_rate: 0.5, options: {any_of: ["thank", "help", "please"]}}
  - {type: llm_judge, name: helpful, target: trace, sample_rate: 0.5, options: {rubric: helpfulness}}
judge: {model: scripted-judge, max_concurrency: 16, timeout_s: 5, max_attempts: 12}
monitor: {dimensions: [tool, model]}
alerts:
  - {name: tool-arguments, evaluator: tool_call_schema_valid, statistic: pass_rate, window_count: 20, min_samples: 10,
     warning: 0.99, critical: 0.90}
  - {name: polite, evaluator: polite, statistic: pass_rate, window_count: 10, min_samples: 5, warning: 0.95}
notify:
  - {name: suite, type: webhook, url: WEBHOOK, allow_private: true}
"""
SETTLE_S = 400.0
LOOK_S = 0.5
JOIN_S = 120.0


class Bench:
    """Starts everything in `folder`; traffic and faults come later."""

    def __init__(self, world: World, folder: Path, prefix: str) -> None:
        self.world, self.webhooks, self.dice = world, Webhooks(), random.Random(prefix)
        self.restarts, self.judge_port = 0, free_port()
        config = CONFIG.replace("PREFIX", prefix).replace("WEBHOOK", self.webhooks.url)
        folder.mkdir(parents=True, exist_ok=True)
        for_workers, for_looking = world.new_warehouse(folder)
        self.stack = Stack(folder, world.kafka.address, for_workers, config)
        self.stack.warehouse_url = for_looking
        self._lock, self._ended, self._watched = threading.RLock(), threading.Event(), True
        self.start_judge()
        self.stack.start()
        threading.Thread(target=self._supervise, daemon=True).start()
        self.stack.ready()

    def start_judge(self, *arguments: str) -> None:
        """The scripted judge, always at the same port."""
        command = [sys.executable, "-m", "streams.scripted_judge", "--port", str(self.judge_port), *arguments]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        process.stdout.readline()
        self._judge_arguments = arguments
        self.stack.environment["OPENAI_BASE_URL"] = f"http://127.0.0.1:{self.judge_port}/v1"
        self.stack.environment["OPENAI_API_KEY"] = "none"
        self.judge = process

    @property
    def judge_url(self) -> str:
        return self.stack.environment["OPENAI_BASE_URL"]

    def judge_again(self, *arguments: str) -> None:
        """Another judge in its place, unless it is the same one."""
        if arguments != self._judge_arguments:
            self.kill_judge()
            self.start_judge(*arguments)

    def kill_judge(self) -> None:
        self.judge.kill()
        self.judge.wait()

    def publish(self, records: list[Record], seconds: float, repeat: int = 1) -> Traffic:
        """Begin to publish."""
        return Traffic(self.stack, records, seconds, repeat)

    # --- workers -------------------------------------------------------------------------------------------------

    def kill(self, name: str) -> None:
        """kill -9, and a start."""
        with self._lock:
            if name in self.stack.processes:
                self.stack.kill(name)
            self.stack.start(name)

    def ready(self) -> list[str]:
        """The components whose worker is at work; waits for one."""
        deadline = time.monotonic() + JOIN_S
        while time.monotonic() < deadline:
            found = [name for name, one in list(self.stack.processes.items()) if self._has_joined(one.pid)]
            if found:
                return found
            time.sleep(0.1)
        raise AssertionError("no worker is at work")

    def start_with(self, name: str, crash_at: str) -> None:
        """Start a worker anew that dies at a crash point; the supervisor starts it again without."""
        with self._lock:
            if name in self.stack.processes:
                self.stack.kill(name)
            self.stack.start(name, crash_at=crash_at)

    def pause(self, name: str, seconds: float) -> None:
        """SIGSTOP, SIGCONT."""
        process = self.stack.processes[name]
        process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        process.send_signal(signal.SIGCONT)

    def second(self, name: str) -> subprocess.Popen[bytes]:
        """One more worker of a component, which nobody supervises."""
        with (self.stack.folder / f"{name}-second.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "streams.cli.main", "worker", name],
                cwd=self.stack.folder,
                env={**self.stack.environment, "PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + JOIN_S
        while time.monotonic() < deadline and not self._has_joined(process.pid):
            time.sleep(LOOK_S)
        return process

    def _has_joined(self, pid: int) -> bool:
        try:
            return any(c.state.get("pid") == pid and c.state.get("ready") for c in self.stack.warehouse.components())
        except Unavailable:
            return False

    def restart_all(self, environment: Mapping[str, str | None]) -> None:
        """Stop and start all workers with these variables, or without those that are None."""
        self.stop_workers()
        for name, value in environment.items():
            if value is None:
                self.stack.environment.pop(name, None)
            else:
                self.stack.environment[name] = value
        self.start_workers()

    def stop_workers(self) -> None:
        """SIGTERM to all; the supervisor lets them be."""
        with self._lock:
            self._watched = False
            self.stack.stop()

    def start_workers(self) -> None:
        with self._lock:
            self.stack.start()
            self._watched = True

    def settle(self) -> float:
        """Wait until everything has come out at the end; seconds it took, the time of watching left out."""
        began = time.monotonic()
        last: list[object] = [None, 0.0]

        def at_rest() -> bool:
            counts = self.stack.warehouse.counts()
            if counts["outbox_pending"] or not self.stack.all_say("caught_up", COMPONENTS) or counts != last[0]:
                last[:] = [counts, time.monotonic()]
                return False
            return time.monotonic() - float(str(last[1])) > 5.0

        deadline = began + SETTLE_S
        while time.monotonic() < deadline:
            try:
                if at_rest():
                    return float(str(last[1])) - began
            except Exception:  # the warehouse comes back
                self.stack.forget_connections()
            time.sleep(LOOK_S)
        raise AssertionError(f"it does not come to rest: {self._states()}")

    def _states(self) -> list[object]:
        return [
            (c.component, {k: c.state.get(k) for k in ("lag", "caught_up", "in_flight")}) for c in self._components()
        ]

    def _components(self):  # type: ignore[no-untyped-def]
        return self.stack.warehouse.components()

    def _supervise(self) -> None:
        """Start again what has ended, as any supervisor does."""
        while not self._ended.wait(0.3):
            with self._lock:
                for name, process in list(self.stack.processes.items()):
                    if self._watched and process.poll() is not None:
                        self.restarts += 1
                        self.stack.start(name)

    def stop(self) -> None:
        self._ended.set()
        self.stop_workers()
        self.kill_judge()
        self.webhooks.stop()


def expected_of(records: list[Record], folder: Path, judge_url: str) -> list[tuple[object, ...]]:
    """The decisions of a run that nothing interrupts: without a broker, in one process."""
    from tests.faults.account import comparable

    folder.mkdir(parents=True, exist_ok=True)
    config = CONFIG.replace("PREFIX", "none").replace("WEBHOOK", "http://127.0.0.1:9/")
    stack = Stack(folder, "127.0.0.1:9", None, config)
    stack.environment |= {"OPENAI_BASE_URL": judge_url, "OPENAI_API_KEY": "none"}
    stack.cli(
        "run", str(as_file(records, folder / "traces.otlp.jsonl")), "--judges", "--warehouse", stack.warehouse_url
    )
    found = comparable(stack)
    stack.forget_connections()
    (folder / "warehouse.db").unlink()
    return found
