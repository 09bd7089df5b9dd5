"""What workers write to their logs: tracebacks without the values of variables, which may hold what was not yet redacted.

A line that cannot be written (a full disk) is lost, and nothing else: no work ends because of it.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TextIO, cast

import structlog


def configure_logs() -> None:
    """Called once by a process that works on traces."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.StackInfoRenderer(),
            structlog.dev.set_exc_info,
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(
                colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _Unfailing(sys.stdout))),
    )


class _Unfailing:
    """A stream that says nothing of what it cannot write."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()
