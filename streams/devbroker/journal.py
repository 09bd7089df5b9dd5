"""What the broker must remember beside the records: topics, committed offsets, producer ids.

One file of lines ``<crc32 in hex> <JSON array>``. The state is what comes of applying them in order.
"""

from __future__ import annotations

import logging
import os
import zlib
from collections.abc import Iterable
from pathlib import Path

import orjson

from schemas.errors import Fatal

FORMAT = "evalstream-devbroker-1"
REWRITE_SLACK_BYTES = 4 << 20  # the file is rewritten when it is this much over twice its last compact size

log = logging.getLogger(__name__)


class Journal:
    """Append-only file of small events. An event survives the death of this process once `write` has returned."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._size = self._compact_size = 0

    def replay(self) -> list[list]:
        """Open the file and return its events; a last line that is torn is cut.

        Raises
        ------
        Fatal : a line before the last is damaged, so that what follows it may mean something else.
        """
        content = self._path.read_bytes() if self._path.exists() else b""
        lines = content.splitlines(keepends=True)
        events = [_decode(line) for line in lines]
        good = len(content)
        if lines and events[-1] is None:
            good -= len(lines[-1])
            events.pop()
            log.warning("%s: cut %d bytes of a torn tail", self._path, len(content) - good)
        if None in events:
            raise Fatal(
                f"{self._path}: line {events.index(None) + 1} is damaged; restore the file or remove the directory"
            )
        self._open(good)
        return [event for event in events if event is not None and event[0] != FORMAT]

    def write(self, *event: object) -> None:
        """Append one event: a kind, and fields that JSON can carry."""
        self._append(_encode(event))

    @property
    def is_long(self) -> bool:
        """Whether most of it may be out of date."""
        return self._size > 2 * self._compact_size + REWRITE_SLACK_BYTES

    def rewrite(self, events: Iterable[Iterable[object]]) -> None:
        """Replace everything by `events`, atomically."""
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(_encode((FORMAT,)))
            file.writelines(_encode(event) for event in events)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        os.close(self._descriptor)
        self._open(self._path.stat().st_size)
        self._compact_size = self._size

    def close(self) -> None:
        if self._descriptor >= 0:
            os.fsync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self, size: int) -> None:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        os.ftruncate(self._descriptor, size)
        self._size = size
        if not size:
            self.write(FORMAT)

    def _append(self, line: bytes) -> None:
        if os.pwrite(self._descriptor, line, self._size) != len(line):
            os.ftruncate(self._descriptor, self._size)
            raise OSError(f"{self._path}: the disk is full")
        self._size += len(line)


def _encode(event: Iterable[object]) -> bytes:
    body = orjson.dumps(list(event))
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _decode(line: bytes) -> list | None:
    crc, _, body = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or b"%08x" % zlib.crc32(body) != crc:
        return None
    return orjson.loads(body)
