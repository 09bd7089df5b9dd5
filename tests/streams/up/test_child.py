"""One supervised process: restarts with a growing pause, a log, and an end that leaves nothing."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from streams.up.child import FIRST_BACKOFF_S, MAX_LOG_BYTES, Child

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)
PARENT = (
    "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
    "print(p.pid, flush=True); time.sleep(600)"
)


@pytest.fixture
def make(tmp_path: Path):  # type: ignore[no-untyped-def]
    made: list[Child] = []

    def child(code: str, grace_s: float = 5.0) -> Child:
        argv = [sys.executable, "-c", code]
        made.append(Child("child", argv, os.environ, tmp_path / "logs" / "child.log", stage=0, grace_s=grace_s))
        return made[-1]

    yield child
    for one in made:
        one.grace_s = 0
        one.ask_to_stop()
        one.make_stop(time.monotonic())


def until(condition, seconds: float = 10.0) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def exists(pid: int) -> bool:
    file = Path(f"/proc/{pid}/stat")
    return file.exists() and file.read_text().rpartition(")")[2].split()[0] != "Z"


def test_is_started_again_after_a_pause_that_grows(make) -> None:  # type: ignore[no-untyped-def]
    child = make("raise SystemExit(7)")
    child.start()
    pauses = []
    for _ in range(3):
        until(lambda: child.watch() == 7)
        ended, restarts = time.monotonic(), child.restarts
        assert child.pid is None and child.last_exit == 7
        until(lambda before=restarts: child.watch() is None and child.restarts > before)
        pauses.append(time.monotonic() - ended)
    assert FIRST_BACKOFF_S * 0.9 < pauses[0] < pauses[1] < pauses[2]


def test_its_last_error_is_known_and_an_earlier_one_is_not(make) -> None:  # type: ignore[no-untyped-def]
    child = make("import sys; print('error: evalstream.yaml:3: kafka: no', file=sys.stderr); sys.exit(2)")
    child.start()
    until(lambda: child.watch() == 2)
    assert child.last_words() == "evalstream.yaml:3: kafka: no"
    silent = make("import sys; sys.exit(9)")
    silent.start()
    until(lambda: silent.watch() == 9)
    assert silent.last_words() == f"see {silent.log}"


def test_stops_when_asked(make) -> None:  # type: ignore[no-untyped-def]
    child = make(SLEEPER)
    child.start()
    until(lambda: child.log.read_text() == "up\n")
    pid = child.pid
    child.ask_to_stop()
    assert child.make_stop(time.monotonic()) is True
    assert not exists(pid)


def test_is_killed_when_it_does_not_listen(make) -> None:  # type: ignore[no-untyped-def]
    child = make(STUBBORN, grace_s=0.3)
    child.start()
    until(lambda: child.log.read_text() == "up\n")
    pid = child.pid
    child.ask_to_stop()
    assert child.make_stop(time.monotonic()) is False
    assert not exists(pid)


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_takes_along_what_it_has_started(make, how: str) -> None:  # type: ignore[no-untyped-def]
    child = make(PARENT)
    child.start()
    until(lambda: child.log.read_text().endswith("\n"))
    grandchild = int(child.log.read_text())
    assert exists(grandchild)
    if how == "stopped":
        child.ask_to_stop()
        child.make_stop(time.monotonic())
    else:
        os.kill(child.pid, signal.SIGKILL)
        until(lambda: child.watch() == -signal.SIGKILL)
    until(lambda: not exists(grandchild))


def test_a_long_log_is_moved_aside(make) -> None:  # type: ignore[no-untyped-def]
    child = make(SLEEPER)
    child.log.parent.mkdir()
    child.log.write_bytes(b"x" * (MAX_LOG_BYTES + 1))
    child.start()
    until(lambda: child.log.read_text() == "up\n")
    assert child.log.with_suffix(".log.1").stat().st_size == MAX_LOG_BYTES + 1
