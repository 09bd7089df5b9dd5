"""Starting the children in order, watching them, and stopping them in the opposite order."""

from __future__ import annotations

import os
import signal
import socket
import termios
import time
from collections.abc import Callable
from itertools import groupby

from schemas.errors import ConfigError, Unavailable
from streams import exits
from streams.up.child import Child
from streams.up.plan import BROKER_STAGE, WORKERS, Plan
from streams.up.runtime import Component, Runtime, now, without_password, write_runtime

LOOK_EVERY_S = 0.2
BROKER_START_S = 30.0
RELOAD_AHEAD_S = 2.0
STDIN = 0
Tell = Callable[[str], None]


class Supervisor:
    """Runs a plan until a signal comes.

    Parameters
    ----------
    tell : shows a line to the person at the terminal.
    """

    def __init__(self, plan: Plan, tell: Tell) -> None:
        self._plan, self._tell = plan, tell
        self._children = plan.children
        self._stopping: int | None = None
        self._reload_asked = False
        self._terminal = os.isatty(STDIN)
        self._started_at = now()

    def run(self, on_started: Callable[[], None]) -> int:
        """Start everything, watch until SIGINT or SIGTERM, stop everything; the exit code. SIGHUP is passed on.

        Raises
        ------
        ConfigError : a child says that the configuration is wrong.
        Unavailable : the broker or the warehouse does not answer.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note_hangup if number == signal.SIGHUP else self._note_signal)
        try:
            self._start()
            if self._stopping is None:
                on_started()
            while self._stopping is None:
                self._look()
                self._reload()
                time.sleep(LOOK_EVERY_S)
        finally:
            self._stop()
            self._write(stopped=True)
        return exits.INTERRUPTED if self._stopping == signal.SIGINT else exits.OK

    def _start(self) -> None:
        for stage, children in groupby(self._children, key=lambda child: child.stage):
            for child in children:
                child.start()
            self._write()
            if stage == BROKER_STAGE:
                self._await_broker()

    def _await_broker(self) -> None:
        host, _, port = self._plan.bootstrap_servers.rpartition(":")
        deadline = time.monotonic() + BROKER_START_S
        while self._stopping is None:
            try:
                with socket.create_connection((host, int(port)), timeout=1):
                    return
            except OSError:
                self._look()
                if time.monotonic() > deadline:
                    raise Unavailable(f"the embedded broker did not start; see {self._children[0].log}") from None
                time.sleep(LOOK_EVERY_S)

    def _look(self) -> None:
        for child in self._children:
            before = child.restarts
            code = child.watch()
            if code == exits.CONFIG:
                raise ConfigError(f"{child.name} stopped: {child.last_words()}")
            if code is not None:
                self._tell(f"{child.name} ended with {code}, starting it again ({child.last_words()})")
            if code is not None or child.restarts != before:
                self._write()

    def _reload(self) -> None:
        """Let the workers read the configuration again: `evaluate` last, so that `judge` knows what it will ask."""
        if not self._reload_asked:
            return
        self._reload_asked = False
        workers = sorted((c for c in self._children if c.name in WORKERS), key=lambda child: child.name == "evaluate")
        for child in workers:
            if child.name == "evaluate":
                time.sleep(RELOAD_AHEAD_S)
            child.ask_to_reload()
        self._tell(
            f"the workers read {self._plan.config} again; `evalstream status` and their logs tell what came of it"
        )

    def _stop(self) -> None:
        by_stage = groupby(reversed(self._children), key=lambda child: child.stage)
        for _, children in by_stage:
            group = list(children)
            for child in group:
                child.ask_to_stop()
            begun = time.monotonic()
            for child in group:
                if not child.make_stop(begun):
                    self._tell(f"{child.name} did not stop within {child.grace_s:.0f} s and was killed")

    def _write(self, *, stopped: bool = False) -> None:
        plan = self._plan
        shown_url, omitted = without_password(plan.warehouse_url)
        write_runtime(
            plan.data,
            Runtime(
                pid=0 if stopped else os.getpid(),
                started_at=self._started_at,
                config=str(plan.config),
                data=str(plan.data),
                bootstrap_servers=plan.bootstrap_servers,
                broker="embedded" if plan.embedded_broker else "configured",
                warehouse_url=shown_url,
                password_omitted=omitted,
                receiver_url=plan.receiver_url,
                judge=plan.judge,
                judge_base_url=plan.judge_base_url,
                components={child.name: _component(child, plan.probes.get(child.name)) for child in self._children},
            ),
        )

    def _note_hangup(self, number: int, frame: object) -> None:
        """Reload, unless it means that the terminal is gone."""
        if self._terminal and not _answers(STDIN):
            self._note_signal(number, frame)
        else:
            self._reload_asked = True

    def _note_signal(self, number: int, frame: object) -> None:
        if self._stopping is not None:  # asked twice: no more patience
            for child in self._children:
                child.grace_s = 0.0
        self._stopping = number


def _answers(terminal: int) -> bool:
    try:
        termios.tcgetattr(terminal)
    except (termios.error, OSError):
        return False
    return True


def _component(child: Child, url: str | None) -> Component:
    return Component(pid=child.pid, log=str(child.log), url=url, restarts=child.restarts, last_exit=child.last_exit)
