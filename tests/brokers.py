"""Brokers to test against: the dev broker in a process of its own, and Apache Kafka when there is one.

Fixtures, all once a session: `dev_broker`, `apache_kafka`, and `broker`, which is each of them in turn. They have
`bootstrap_servers`, `kill()` (kill -9), `start()` (again, same data, same port) and `stop()`.
"""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

ROOT = Path(__file__).resolve().parent.parent
KAFKA_SCRIPT = ROOT.parent / "shared" / "kafka" / "kafka"
KAFKA_VARIABLE = "EVALSTREAM_TEST_KAFKA"
START_TIMEOUT_S = 90


def pytest_configure(config: pytest.Config) -> None:
    # kafka-python reads its schemas with a function that is deprecated in Python 3.11 and no longer in 3.13
    config.addinivalue_line("filterwarnings", "ignore:(open|read)_text is deprecated:DeprecationWarning")


class RunningBroker(Protocol):
    """What a test may do with a broker."""

    bootstrap_servers: str

    def start(self) -> None: ...
    def kill(self) -> None: ...
    def stop(self) -> None: ...


class DevBrokerProcess:
    """The dev broker as users run it. It is not started by being made.

    Parameters
    ----------
    folder : its data; what it logs goes to ``<folder>.log``.
    arguments : more of the command line.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder, self.arguments = folder, arguments
        self.log_path = folder.with_suffix(".log")
        self.bootstrap_servers = ""
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """0 until it was started once, the same from then on."""
        return int(self.bootstrap_servers.partition(":")[2] or 0)

    def start(self) -> None:
        """Start it and wait until clients may come."""
        where = ("--port", str(self.port), "--data", str(self.folder))
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streams.devbroker", *where, *self.arguments],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], START_TIMEOUT_S)
        words = self.process.stdout.readline().decode().split() if readable else []
        if words[:1] != ["ready"]:
            self.process.kill()
            raise RuntimeError(f"the dev broker did not start:\n{self.log_path.read_text()}")
        self.bootstrap_servers = words[1]

    def kill(self) -> None:
        """kill -9."""
        self._end("kill")

    def stop(self) -> None:
        """SIGTERM."""
        self._end("terminate")

    def _end(self, how: str) -> None:
        if self.process is not None:
            getattr(self.process, how)()
            self.process.wait(START_TIMEOUT_S)
            if self.process.stdout:
                self.process.stdout.close()
            self.process = None


class ApacheKafkaProcess:
    """Apache Kafka, driven by its script; `settings` are lines for its properties, where the last word counts."""

    def __init__(self, folder: Path, settings: str = "") -> None:
        self.folder, self.settings = folder, settings
        self.bootstrap_servers = f"127.0.0.1:{free_port()}"

    def start(self) -> None:
        self._run("start", self.bootstrap_servers.partition(":")[2])

    def kill(self) -> None:
        self._run("kill")

    def stop(self) -> None:
        self._run("stop")

    def _run(self, command: str, *arguments: str) -> None:
        environment = {**os.environ, "KAFKA_EXTRA": self.settings}
        words = [KAFKA_SCRIPT, command, self.folder, *arguments]
        subprocess.run(words, env=environment, check=True, timeout=180, capture_output=True)


class ForeignBroker:
    """A broker that somebody else runs, and only they may end."""

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers

    def start(self) -> None:
        pytest.skip("this broker is not ours to start")

    def kill(self) -> None:
        pytest.skip("this broker is not ours to kill")

    def stop(self) -> None:
        pytest.skip("this broker is not ours to stop")


def free_port() -> int:
    """Return a port P such that P and P + 1 were free just now (Apache Kafka's controller takes the second)."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


@pytest.fixture(scope="session")
def dev_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevBrokerProcess]:
    """The dev broker, over TCP."""
    process = DevBrokerProcess(tmp_path_factory.mktemp("devbroker") / "data")
    process.start()
    yield process
    process.stop()


def require_kafka() -> None:
    """Skip where Apache Kafka cannot be started."""
    if not KAFKA_SCRIPT.exists() or not shutil.which("java"):
        pytest.skip(f"no Apache Kafka: set {KAFKA_VARIABLE} to one, or provide {KAFKA_SCRIPT.name} and Java 17")


@pytest.fixture(scope="session")
def apache_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """Apache Kafka: the one of EVALSTREAM_TEST_KAFKA, or one that is started here, or a skip."""
    running = os.environ.get(KAFKA_VARIABLE)
    if running:
        yield ForeignBroker(running)
        return
    require_kafka()
    process = ApacheKafkaProcess(tmp_path_factory.mktemp("kafka"))
    process.start()
    yield process
    process.stop()


@pytest.fixture(scope="session", params=["dev_broker", "apache_kafka"])
def broker(request: pytest.FixtureRequest) -> RunningBroker:
    """Each broker in turn: a test that takes it must pass on both, unchanged."""
    return request.getfixturevalue(request.param)
