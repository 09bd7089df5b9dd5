"""The whole product as processes, on a broker and a warehouse of the test's choice."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson

from schemas.settings import WarehouseSettings
from sinks.warehouse import Warehouse

ROOT = Path(__file__).resolve().parents[2]
COMPONENTS = ("assemble", "evaluate", "judge", "monitor")
START_S = 180.0
SETTLE_S = 240.0
FRESH_S = 3.0

CONFIG = """\
project: airline-agent
environment: production
kafka: {session_timeout_s: 6, batch_records: 40, partitions: 4}
assemble: {quiet_s: 1.0, rootless_quiet_s: 3.0}
sessions: {quiet_s: 2.0}
evaluators:
  - {type: tool_error_as_success}
  - {type: unknown_tool}
  - {type: tool_call_schema_valid}
  - {type: json_validity, span_kinds: [tool], options: {text: result}}
  - {type: latency, options: {max_s: 30}}
  - {type: tokens, target: trace}
  - {type: length, name: short_answer, target: trace, options: {max: 4000}}
  - {type: refusal, target: trace}
  - {type: contains, name: polite, target: trace, sample_rate: 0.5, options: {any_of: ["thank", "help", "please"]}}
  - {type: llm_judge, name: helpful, target: trace, sample_rate: 0.4, options: {rubric: helpfulness}}
judge: {model: scripted-judge, max_concurrency: 16}
monitor: {dimensions: [tool, model]}
alerts:
  - name: tool-arguments
    evaluator: tool_call_schema_valid
    statistic: pass_rate
    window_count: 40
    min_samples: 20
    warning: 0.97
    critical: 0.90
"""


class Stack:
    """Four workers, a scripted judge, and what a user does with them.

    Parameters
    ----------
    folder : logs, configuration, and the warehouse where it is SQLite.
    """

    def __init__(
        self, folder: Path, bootstrap_servers: str, warehouse_url: str | None = None, config: str = CONFIG
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "evalstream.yaml"
        self.config.write_text(config)
        self.warehouse_url = warehouse_url or f"sqlite:///{folder / 'warehouse.db'}"
        self.bootstrap_servers = bootstrap_servers
        named = re.search(r"topic_prefix: ([^,}]+)", config)
        self.prefix = named.group(1) if named else ""
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("EVALSTREAM_", "OPENAI_", "KAFKA_"))},
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
            "EVALSTREAM_WAREHOUSE_URL": self.warehouse_url,
            "EVALSTREAM_CONFIG": str(self.config),
            "EVALSTREAM_KEY": "test",
            "EVALSTREAM_HTTP_PORT": "0",
        }
        self._warehouse: Warehouse | None = None

    # --- processes -----------------------------------------------------------------------------------------------

    def start_judge(self, *arguments: str) -> None:
        """The scripted judge, and the workers' way to it."""
        command = [sys.executable, "-m", "streams.scripted_judge", "--port", "0", *arguments]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        words = process.stdout.readline().decode().split()
        self.environment["OPENAI_BASE_URL"] = next(word for word in words if word.startswith("http"))
        self.environment["OPENAI_API_KEY"] = "none"
        self.processes["scripted-judge"] = process

    def start(self, *components: str, crash_at: str | None = None) -> None:
        """Start workers; all four when none is named."""
        for name in components or COMPONENTS:
            environment = {**self.environment, **({"EVALSTREAM_CRASH_AT": crash_at} if crash_at else {})}
            with (self.folder / f"{name}.log").open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    [sys.executable, "-m", "streams.cli.main", "worker", name],
                    cwd=self.folder,
                    env={**environment, "PYTHONPATH": str(ROOT)},
                    stdout=log,
                    stderr=log,
                )

    def kill(self, name: str) -> None:
        """kill -9."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def wait_for_death(self, name: str, seconds: float = 60) -> int:
        """Wait until a worker ended by itself (a crash point); its exit code."""
        return self.processes.pop(name).wait(seconds)

    def stop(self) -> None:
        """SIGTERM to all, SIGKILL to what does not end."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()
        self.forget_connections()

    def forget_connections(self) -> None:
        """Close what `sql` and `warehouse` have opened; they open it again."""
        if self._warehouse:
            self._warehouse.close()
            self._warehouse = None

    def logs(self) -> str:
        """The ends of the workers' logs, for a failing test."""
        return "\n".join(f"== {p.name}\n{p.read_text()[-4000:]}" for p in sorted(self.folder.glob("*.log")))

    # --- what a user does ----------------------------------------------------------------------------------------

    def cli(self, *arguments: str, check: bool = True) -> list[dict[str, Any]]:
        """An `evalstream` command with --json; its documents."""
        done = subprocess.run(
            [sys.executable, "-m", "streams.cli.main", *arguments, "--json"],
            cwd=self.folder,
            env={**self.environment, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            timeout=600,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"evalstream {' '.join(arguments)}: exit {done.returncode}\n{done.stderr.decode()}")
        return [orjson.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")]

    def publish(self, *files: Path) -> None:
        """`evalstream publish FILE…`."""
        self.cli("publish", *map(str, files))

    def topic(self, name: str) -> str:
        """A topic as it is called on the broker."""
        _, prefixed, rest = self.config.read_text().partition("topic_prefix: ")
        return (rest.split(",")[0] if prefixed else "") + name

    @property
    def warehouse(self) -> Warehouse:
        """The warehouse, for looking."""
        if self._warehouse is None:
            self._warehouse = Warehouse.open(WarehouseSettings(url=self.warehouse_url))
        return self._warehouse

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a read-only query."""
        return [tuple(row) for row in self.warehouse.query(query, limit=1_000_000).rows]

    # --- waiting -------------------------------------------------------------------------------------------------

    def ready(self, components: Iterable[str] = COMPONENTS) -> None:
        """Wait until the named workers are ready."""
        self.until(lambda: self.all_say("ready", components), "workers are not ready", START_S)

    def settle(self, components: Iterable[str] = COMPONENTS) -> None:
        """Wait until everything published has come out at the end: all caught up, and nothing changes any more."""
        last: list[Any] = [None, 0.0]

        def at_rest() -> bool:
            counts = self.counts()
            if not self.all_say("caught_up", components) or counts != last[0]:
                last[:] = [counts, time.monotonic()]
                return False
            return time.monotonic() - last[1] > 4.0

        self.until(at_rest, "it does not come to rest")

    def counts(self) -> dict[str, int]:
        """Rows of the tables that a run fills."""
        tables = ("traces", "spans", "messages", "scores", "requests", "alerts", "drift_events", "dead_letters")
        return {table: self.sql(f"SELECT count(*) FROM {table}")[0][0] for table in tables}

    def until(self, condition: Callable[[], bool], failure: str, seconds: float = SETTLE_S) -> None:
        """Wait until the condition holds; fails when a process ends meanwhile."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise AssertionError(f"{name} ended with {process.returncode}\n{self.logs()}")
            try:
                if condition():
                    return
            except Exception as error:  # the schema is being made, the server restarts
                last = error
                if time.monotonic() > deadline:
                    raise AssertionError(failure) from last
            time.sleep(0.3)
        raise AssertionError(
            f"{failure}: {[(c.component, dict(c.state)) for c in self.warehouse.components()]}\n{self.logs()}"
        )

    def all_say(self, what: str, components: Iterable[str]) -> bool:
        """Whether every worker of these says so lately, and the one that runs now has been heard."""
        now = time.time()
        states = [c for c in self.warehouse.components() if now - c.seen.timestamp() < FRESH_S]
        heard = {(c.component, c.state.get("pid")) for c in states}
        return all(
            (name, self.processes[name].pid) in heard and all(c.state.get(what) for c in states if c.component == name)
            for name in components
        )
