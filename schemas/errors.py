"""The error tree.

::

    EvalstreamError
    ├── ConfigError      the configuration is wrong: fix it and start again        (exit code 2)
    ├── InvalidRecord    one record cannot be read: it goes to the dead letters
    ├── Unavailable      a dependency is away: wait `retry_after_s`, then try again
    ├── Fenced           another worker has taken over: drop what is in memory
    └── Fatal            going on would lose or corrupt data: stop the process      (exit code 3)
"""

from __future__ import annotations


class EvalstreamError(Exception):
    """Base of every error that evalstream raises on purpose."""


class ConfigError(EvalstreamError):
    """The configuration is wrong.

    Parameters
    ----------
    message : what is wrong and, where possible, what to do.
    path : dotted path inside the document, e.g. ``evaluators[2].options.threshold``.
    file, line : where it stands; filled in by the loader.
    """

    def __init__(self, message: str, *, path: str = "", file: str = "", line: int | None = None) -> None:
        self.message, self.path, self.file, self.line = message, path, file, line
        super().__init__(message)

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (place, self.path, self.message) if part)


class InvalidRecord(EvalstreamError):
    """One record cannot be read.

    Parameters
    ----------
    reason : a short stable word for counters and queries, e.g. ``undecodable``, ``too_deep``, ``not_otlp``.
    detail : what exactly is wrong, for a person.
    """

    def __init__(self, reason: str, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason}: {detail}")


class Unavailable(EvalstreamError):
    """A dependency does not answer; the same call may succeed after `retry_after_s` seconds."""

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class Fenced(EvalstreamError):
    """Another worker has taken over the partition; what this one still holds of it is out of date."""


class Fatal(EvalstreamError):
    """Going on would lose or corrupt data; the process stops and its supervisor decides."""
