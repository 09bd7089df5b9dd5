"""Where a record came from."""

from __future__ import annotations

from .base import Identifier, Int32, Int64, Record


class Source(Record):
    """A position in a log. `epoch` is raised when a topic was found deleted and made again."""

    topic: Identifier
    partition: Int32
    offset: Int64
    epoch: Int32 = 0
