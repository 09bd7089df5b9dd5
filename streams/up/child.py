"""One child process: its log, its death with the parent, its restarts.

A child leads a process group of its own: Ctrl-C in the terminal reaches only the supervisor, which stops the children
in order, and what a child has forked goes with it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

MAX_LOG_BYTES = 10 * 2**20
TAIL_BYTES = 8192
FIRST_BACKOFF_S, MAX_BACKOFF_S = 0.5, 15.0
HEALTHY_AFTER_S = 30.0
LOOK_EVERY_S = 0.05
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass
class Child:
    """A process that is started again when it ends.

    Parameters
    ----------
    name : also the name of its log file.
    stage : children are started by rising stage, and stopped by falling stage.
    grace_s : how long it may take to stop before it is killed.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log: Path
    stage: int
    grace_s: float
    restarts: int = 0
    last_exit: int | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _started: float = 0.0
    _log_begin: int = 0
    _start_again: float | None = None
    _backoff_s: float = FIRST_BACKOFF_S

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Run it, with its output appended to its log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > MAX_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as out:
            self._log_begin = out.tell()
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and modules
                self.argv,
                env=dict(self.env),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with(os.getpid()),
            )
        self._started, self._start_again = time.monotonic(), None

    def watch(self) -> int | None:
        """The exit code of a process that has just ended, else None; an ended one is started again after a pause."""
        if self._process is None:
            if self._start_again is not None and time.monotonic() >= self._start_again:
                self.restarts += 1
                self.start()
            return None
        code = self._process.poll()
        if code is None:
            return None
        self._sweep()
        now = time.monotonic()
        self._backoff_s = FIRST_BACKOFF_S if now - self._started > HEALTHY_AFTER_S else self._backoff_s
        self._process, self.last_exit, self._start_again = None, code, now + self._backoff_s
        self._backoff_s = min(self._backoff_s * 2, MAX_BACKOFF_S)
        return code

    def ask_to_reload(self) -> None:
        """SIGHUP; one that is just being started reads the configuration anyway."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGHUP)

    def ask_to_stop(self) -> None:
        """SIGTERM; it is not started again."""
        self._start_again = None
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def make_stop(self, begun: float) -> bool:
        """Wait until `grace_s` after `begun` (monotonic seconds), then kill; whether it stopped by itself."""
        if self._process is None:
            return True
        while self._process.poll() is None and time.monotonic() < begun + self.grace_s:
            time.sleep(LOOK_EVERY_S)
        by_itself = self._process.poll() is not None
        self._sweep()
        self._process.wait()
        self._process = None
        return by_itself

    def last_words(self) -> str:
        """The last error line that it wrote since its start; without one, where the log is."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(self._log_begin, self.log.stat().st_size - TAIL_BYTES))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            lines = []
        errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
        return errors[-1] if errors else f"see {self.log}"

    def _sweep(self) -> None:
        """Kill what is left of its process group."""
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _die_with(parent: int):  # type: ignore[no-untyped-def]
    """Run in the child before exec: the kernel kills it when the supervisor is gone, however that went."""

    def ask_kernel() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return ask_kernel
