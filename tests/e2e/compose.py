"""docker-compose.yml without an engine: each service as a process on loopback, with the file's own environment, command,
health check and order of starting. Only names of hosts, ports and folders are changed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import re2
from ruamel.yaml import YAML
from sqlalchemy import make_url

from schemas.settings import HttpSettings
from tests.brokers import KAFKA_SCRIPT, ROOT, free_port
from tests.e2e.collector import Collector

HEALTHY_S = 240.0
LOOK_EVERY_S = 1.5  # each look starts a process
STOP_S = 30.0
PORTS = ("9092", "9093", "19092")
KAFKA_TOOLS = {"/opt/kafka/bin/kafka-broker-api-versions.sh": "org.apache.kafka.tools.BrokerApiVersionsCommand"}
FIRST_PROBE, PROBES = HttpSettings().port or 0, 4
CONFIG_FOLDER, WORK_FOLDER = "/etc/evalstream", "/var/lib/evalstream"


class Compose:
    """The services.

    Parameters
    ----------
    folder : stands for the file system of the containers.
    dotenv : the variables of `.env`.
    database : URL of an empty PostgreSQL database, in the place of the service `postgres`.
    """

    def __init__(self, folder: Path, dotenv: Mapping[str, str], database: str) -> None:
        if not KAFKA_SCRIPT.exists() or not shutil.which("java") or not shutil.which("pg_isready"):
            pytest.skip(f"this needs {KAFKA_SCRIPT.name}, Java 17 and pg_isready")
        self._folder, self._database = folder, database
        self.services = YAML(typ="safe").load(_filled_in((ROOT / "docker-compose.yml").read_text(), dotenv))["services"]
        first, second = free_port(), free_port()
        self._ports = dict(zip(PORTS, map(str, (first, first + 1, second)), strict=True))
        self._probes = free_port()
        self._ports |= {str(FIRST_PROBE + place): str(self._probes + place) for place in range(PROBES)}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._started: set[str] = set()
        self.collector: Collector | None = None
        self._install(folder / "bin" / "evalstream", "-m streams.cli.main")
        self._install(folder / "bin" / "python")

    # --- what an engine does -------------------------------------------------------------------------------------

    def up(self) -> None:
        """Start all services without a profile, each after what it depends on; wait until they are healthy."""
        for name in self._wanted():
            self._start(name)
        for name in self._wanted():
            if name != "collector" and "disable" not in self.services[name].get("healthcheck", {}):
                self._wait(name, "service_healthy")

    def run(self, service: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`docker compose run --rm SERVICE`, with other arguments when they are given."""
        command = ["evalstream", *(arguments or self.services[service]["command"])]
        return self._call(service, command, timeout=180)

    def is_healthy(self, service: str) -> bool:
        """Run the health check of the file, or of the image."""
        check = self.services[service].get("healthcheck", {})
        command = check.get("test") or _image_health_check()
        if command[0] == "CMD-SHELL":
            command = ["sh", "-c", command[1]]
        elif command[0] == "CMD":
            command = command[1:]
        return self._call(service, command, timeout=120).returncode == 0

    def kill(self, service: str) -> None:
        process = self._processes.pop(service)
        process.kill()
        process.wait()

    def down(self) -> None:
        """Stop everything, the brokers last."""
        if self.collector:
            self.collector.stop()
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if "kafka" in self._started:
            subprocess.run(
                [KAFKA_SCRIPT, "stop", self._folder / "kafka"], check=False, timeout=180, capture_output=True
            )

    def logs(self) -> str:
        return "\n".join(f"== {p.name}\n{p.read_text()[-3000:]}" for p in sorted(self._folder.glob("*.log")))

    def written(self) -> list[Path]:
        """Files that services wrote although their file system is read-only."""
        return [path for path in (self._folder / "work").rglob("*") if path.is_file()]

    # --- services ------------------------------------------------------------------------------------------------

    def _wanted(self) -> list[str]:
        return [name for name, service in self.services.items() if not service.get("profiles")]

    def _start(self, name: str) -> None:
        if name in self._started:
            return
        for other, wanted in self.services[name].get("depends_on", {}).items():
            self._start(other)
            self._wait(other, wanted["condition"])
        self._started.add(name)
        special: dict[str, Callable[[], None]] = {
            "kafka": self._start_kafka,
            "postgres": lambda: None,  # it runs
            "collector": self._start_collector,
        }
        special.get(name, lambda: self._start_ours(name))()

    def _start_kafka(self) -> None:
        """The image makes a property of each variable: KAFKA_NODE_ID is node.id."""
        given = self._environment("kafka")
        properties = {name.removeprefix("KAFKA_").lower().replace("_", "."): value for name, value in given.items()}
        properties["log.dirs"] = str(self._folder / "kafka" / "data")
        extra = "\n".join(f"{name}={value}" for name, value in properties.items())
        command = [str(KAFKA_SCRIPT), "start", str(self._folder / "kafka"), self._ports["9092"]]
        done = subprocess.run(
            command, env={**os.environ, "KAFKA_EXTRA": extra}, capture_output=True, text=True, timeout=180, check=False
        )
        assert done.returncode == 0, done.stderr

    def _start_collector(self) -> None:
        service = self.services["collector"]
        [option] = service["command"]
        mounted = self._mounts("collector")[option.removeprefix("--config=")]
        self.collector = Collector(self._folder, self._environment("collector"), config=mounted)

    def _start_ours(self, name: str) -> None:
        self._configure(name)
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                ["evalstream", *self.services[name]["command"]],
                cwd=self._placed(WORK_FOLDER),
                env=self._surroundings(name),
                stdout=log,
                stderr=log,
            )

    def _configure(self, name: str) -> None:
        """Put into the one folder that is mounted what the head of the file says to copy there."""
        assert self._mounts(name) == {CONFIG_FOLDER: ROOT / "config"}
        [sources] = re2.findall(r"(?m)^# *mkdir config && cp (.*) config$", (ROOT / "docker-compose.yml").read_text())
        for source in sources.split():
            shutil.copy(ROOT / source, self._placed(CONFIG_FOLDER))

    def _mounts(self, name: str) -> dict[str, Path]:
        """What is mounted, by where."""
        volumes = [volume.split(":") for volume in self.services[name]["volumes"]]
        assert {mode for _, _, mode in volumes} == {"ro"}
        return {target: ROOT / source for source, target, _ in volumes}

    def _wait(self, name: str, condition: str) -> None:
        if condition == "service_completed_successfully":
            assert self._processes[name].wait(HEALTHY_S) == 0, self.logs()
            return
        assert condition == "service_healthy"
        deadline = time.monotonic() + HEALTHY_S
        while not self.is_healthy(name):
            ended = name in self._processes and self._processes[name].poll() is not None
            assert not ended and time.monotonic() < deadline, f"{name} does not become healthy\n{self.logs()}"
            time.sleep(LOOK_EVERY_S)

    # --- names and places ----------------------------------------------------------------------------------------

    def _call(self, service: str, command: list[str], timeout: float) -> subprocess.CompletedProcess[str]:
        command = [self._localised(word) for word in command]
        if command[0] in KAFKA_TOOLS:
            command = [str(KAFKA_SCRIPT), "run", KAFKA_TOOLS[command[0]], *command[1:]]
        return subprocess.run(
            command,
            cwd=self._placed(WORK_FOLDER),
            env=self._surroundings(service),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def _surroundings(self, name: str) -> dict[str, str]:
        """What a process in the container sees, and no more of this machine's environment than its PATH."""
        server = make_url(self._database)
        return {
            "PATH": f"{self._folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PGHOST": server.host or "",
            "PGPORT": str(server.port or 5432),
            "TMPDIR": self._placed("/tmp"),
            "EVALSTREAM_HTTP_PORT": str(self._probes),
            "EVALSTREAM_DATA": self._placed(WORK_FOLDER),  # of the Dockerfile
            "HOME": self._placed(WORK_FOLDER),
            **({} if name in ("kafka", "postgres") else self._environment(name)),
        }

    def _environment(self, name: str) -> dict[str, str]:
        return {k: self._localised(str(v)) for k, v in self.services[name]["environment"].items()}

    def _localised(self, text: str) -> str:
        if text.startswith("postgresql+psycopg://") and "@postgres:5432/" in text:
            return self._database
        if text.startswith((CONFIG_FOLDER, WORK_FOLDER)):
            return self._placed(text)
        for inside, outside in self._ports.items():
            text = re2.sub(rf"(kafka|127\.0\.0\.1)?:{inside}\b", f"127.0.0.1:{outside}", text)
        return text

    def _placed(self, path: str) -> str:
        places = {WORK_FOLDER: "work", CONFIG_FOLDER: "config", "/tmp": "tmp"}
        for inside, outside in places.items():
            if path.startswith(inside):
                (self._folder / outside).mkdir(parents=True, exist_ok=True)
                return f"{self._folder / outside}{path.removeprefix(inside)}"
        raise AssertionError(f"a container has no {path}")

    def _install(self, script: Path, arguments: str = "") -> None:
        """A command of the image."""
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(f'#!/bin/sh\nexec {sys.executable} {arguments} "$@"\n')
        script.chmod(0o755)


def _filled_in(text: str, dotenv: Mapping[str, str]) -> str:
    """`${NAME:?message}` and `${NAME:-default}` as Compose reads them."""
    for whole, name, default in re2.findall(r"(\$\{([A-Z_]+)(?::\?[^}]*|:-([^}]*))?\})", text):
        assert dotenv.get(name) or ":?" not in whole, f"{name} is not set"
        text = text.replace(whole, dotenv.get(name) or default)
    return text


def _image_health_check() -> list[str]:
    [command] = re2.findall(r"HEALTHCHECK [^\[]*CMD (\[.*\])", (ROOT / "Dockerfile").read_text())
    return json.loads(command)
