"""Open files, a bounded number of them: a broker has more segments than a process may have descriptors."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path

MAX_OPEN = 128


class OpenFiles:
    """Descriptors by path, the least recently used closed first."""

    def __init__(self, max_open: int = MAX_OPEN) -> None:
        self._max_open = max_open
        self._open: OrderedDict[Path, int] = OrderedDict()

    def descriptor(self, path: Path) -> int:
        """Return a descriptor for reading and writing `path`, which is created when it is missing."""
        found = self._open.get(path)
        if found is None:
            found = self._open[path] = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            if len(self._open) > self._max_open:
                os.close(self._open.popitem(last=False)[1])
        else:
            self._open.move_to_end(path)
        return found

    def drop(self, path: Path) -> None:
        """Close `path` if it is open."""
        found = self._open.pop(path, None)
        if found is not None:
            os.close(found)

    def close(self) -> None:
        """Flush what is open to the disk and close it."""
        while self._open:
            _, descriptor = self._open.popitem()
            os.fsync(descriptor)
            os.close(descriptor)
