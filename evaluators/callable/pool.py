"""Processes that run users' callables, each call under a time limit.

A callable may hang, exit or crash its process: then that call fails, the process is killed and the next call gets a new
one. Any thread may call; a call holds one process.
"""

from __future__ import annotations

import os
import selectors
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from queue import LifoQueue
from typing import Any

import orjson

WORKER = Path(__file__).with_name("worker.py")
START_LIMIT_S = 30.0
KILL_WAIT_S = 5.0
MAX_REPLY_BYTES = 4 * 2**20
_LENGTH = struct.Struct(">I")
_READ_BYTES = 65_536


class CallableError(Exception):
    """A call that gave no result; `error_type` is what a failed score records."""

    def __init__(self, error_type: str, message: str) -> None:
        self.error_type, self.message = error_type, message
        super().__init__(f"{error_type}: {message}")


class CallablePool:
    """At most `workers` processes; one starts when the first call needs it.

    Parameters
    ----------
    workers : processes, and so calls at the same time.
    timeout_s : wall time of one call. Starting a process and importing the user's module is not counted here; that has
        `START_LIMIT_S`.
    """

    def __init__(self, workers: int, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._slots: LifoQueue[_Worker | None] = LifoQueue()
        for _ in range(workers):
            self._slots.put(None)
        self._workers = workers
        self._closed = threading.Event()

    def call(self, spec: str, argument: Any) -> Any:
        """What the callable `spec` (``FILE:NAME`` or an entry point) returns for `argument`, as JSON. Blocks.

        Raises
        ------
        CallableError : it raised, hung, died, returned no JSON, or the argument is nested too deeply.
        """
        try:
            request = orjson.dumps(argument, option=orjson.OPT_NON_STR_KEYS, default=str)
        except (TypeError, ValueError, RecursionError) as error:
            raise CallableError("TooDeep", f"the target is no plain JSON: {error}") from None
        worker = self._slots.get()
        try:
            if self._closed.is_set():
                raise CallableError("CallableDied", "the pool is closed")
            if worker is not None and not worker.alive():
                worker.kill()
                worker = None
            worker = worker or _Worker()
            return worker.call(spec, request, self._timeout_s)
        except _Gone as gone:
            if worker is not None:
                worker.kill()
                worker = None
            raise CallableError(gone.error_type, gone.message) from None
        finally:
            self._slots.put(worker)

    def close(self) -> None:
        """End all processes. Calls that are running end first."""
        self._closed.set()
        for _ in range(self._workers):
            worker = self._slots.get()
            if worker is not None:
                worker.kill()
        for _ in range(self._workers):
            self._slots.put(None)


class _Gone(Exception):
    """The process is of no use any more."""

    def __init__(self, error_type: str, message: str) -> None:
        self.error_type, self.message = error_type, message
        super().__init__(message)


class _Worker:
    """One process: requests and replies are length-prefixed over its pipes."""

    def __init__(self) -> None:
        # -P: neither the working directory nor the script's folder enters sys.path.
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)
        self._loaded: set[str] = set()
        self._buffer = bytearray()

    def alive(self) -> bool:
        return self._process.poll() is None

    def call(self, spec: str, request: bytes, timeout_s: float) -> Any:
        if spec not in self._loaded:
            self._answer(self._exchange(b"load", spec, b"", START_LIMIT_S))
            self._loaded.add(spec)
        return self._answer(self._exchange(b"call", spec, request, timeout_s))

    def kill(self) -> None:
        """End the process and all it started, and take its remains away."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            self._process.kill()
        try:
            self._process.wait(KILL_WAIT_S)
        finally:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()

    def _exchange(self, verb: bytes, spec: str, body: bytes, limit_s: float) -> bytes:
        head = verb + _LENGTH.pack(len(spec.encode())) + spec.encode() + body
        deadline = time.monotonic() + limit_s
        self._write(_LENGTH.pack(len(head)) + head, deadline, limit_s)
        size = _LENGTH.unpack(self._read(_LENGTH.size, deadline, limit_s))[0]
        if size > MAX_REPLY_BYTES:
            raise _Gone("CallableReplyTooLarge", f"returned {size} bytes; at most {MAX_REPLY_BYTES}")
        return self._read(size, deadline, limit_s)

    def _answer(self, reply: bytes) -> Any:
        answer = orjson.loads(reply)
        if "error" in answer:
            raise CallableError(answer["error"], answer["message"])
        return answer["result"]

    def _write(self, data: bytes, deadline: float, limit_s: float) -> None:
        view = memoryview(data)
        while view:
            self._wait(self._to, selectors.EVENT_WRITE, deadline, limit_s)
            try:
                view = view[os.write(self._to, view) :]
            except BlockingIOError:
                continue
            except OSError:
                raise self._died() from None

    def _read(self, size: int, deadline: float, limit_s: float) -> bytes:
        while len(self._buffer) < size:
            self._wait(self._from, selectors.EVENT_READ, deadline, limit_s)
            try:
                chunk = os.read(self._from, _READ_BYTES)
            except BlockingIOError:
                continue
            if not chunk:
                raise self._died()
            self._buffer += chunk
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _wait(self, pipe: int, event: int, deadline: float, limit_s: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, event)
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise _Gone("CallableTimeout", f"gave no answer within {limit_s:g} s")

    def _died(self) -> _Gone:
        try:
            code = self._process.wait(KILL_WAIT_S)
        except subprocess.TimeoutExpired:
            return _Gone("CallableDied", "closed its pipes")
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return _Gone("CallableDied", f"its process ended with {how}")
