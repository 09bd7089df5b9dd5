"""Where a record came from."""

from __future__ import annotations

from .base import Record


class Source(Record):
    """A position in a log. `epoch` is raised when a topic was found deleted and made again."""

    topic: str
    partition: int
    offset: int
    epoch: int = 0
