"""One append-only file of a partition's log, with a sparse index kept in memory."""

from __future__ import annotations

import logging
import mmap
import os
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from pathlib import Path

from streams.devbroker.batch import first_record_since, walk
from streams.devbroker.files import OpenFiles
from streams.kafka.record_batch import HEADER, PREFIX, BatchHeader, parse

INDEX_INTERVAL_BYTES = 16 << 10  # one index entry (24 bytes) for at least so many bytes of log
NO_TIMESTAMP = -1

log = logging.getLogger(__name__)


class Segment:
    """A file `<partition>.<base offset>.log` of whole batches.

    Attributes
    ----------
    base_offset, end_offset : the first offset it may hold, and the one after its last record.
    size : bytes.
    first_timestamp, max_timestamp : of its first batch, and of all its records, in ms; -1 when it is empty.
    """

    def __init__(self, path: Path, base_offset: int, files: OpenFiles) -> None:
        self.path, self.base_offset, self._files = path, base_offset, files
        self.end_offset, self.size = base_offset, 0
        self.first_timestamp = self.max_timestamp = NO_TIMESTAMP
        self._offsets, self._positions, self._timestamps = array("q"), array("q"), array("q")

    def recover(self, observe: Callable[[BatchHeader], None], *, tail: bool) -> None:
        """Read the file's headers on start. The `tail` (the segment that was being written) is checked and cut."""
        total = self.path.stat().st_size
        if total:
            descriptor = self._files.descriptor(self.path)
            with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as view:
                for _, batch in walk(view, checksums=tail):
                    self._note(batch)
                    observe(batch)
        if self.size < total and tail:
            log.warning(
                "%s: cut %d bytes of a torn tail after offset %d", self.path, total - self.size, self.end_offset
            )
            os.truncate(self.path, self.size)
        elif self.size < total:
            log.error("%s: %d bytes after offset %d are unreadable", self.path, total - self.size, self.end_offset)

    def append(self, batch: BatchHeader, records: bytes) -> None:
        """Write one batch, whose header says `batch`, at the end. OSError leaves the segment as it was."""
        descriptor = self._files.descriptor(self.path)
        prefix = PREFIX.pack(batch.base_offset, batch.length, batch.leader_epoch)
        parts = (prefix, memoryview(records)[PREFIX.size :])
        written = os.pwritev(descriptor, parts, self.size)
        if written != batch.size:
            os.ftruncate(descriptor, self.size)
            raise OSError(f"{self.path}: wrote {written} of {batch.size} bytes")
        self._note(batch)

    def read(self, offset: int, max_bytes: int) -> bytes:
        """Return the batches from the one that holds `offset` on: at most `max_bytes`, but always one whole batch."""
        position, batch = self._locate(offset)
        return self._pread(min(max(max_bytes, batch.size), self.size - position), position)

    def find_time(self, timestamp: int, from_offset: int) -> tuple[int, int] | None:
        """Offset and timestamp of the first record at `from_offset` or later that is not before `timestamp` (ms)."""
        entry = bisect_left(self._timestamps, timestamp) - 1
        position = self._positions[entry] if entry >= 0 else 0
        while position < self.size:
            batch = parse(self._pread(HEADER.size, position))
            if batch.max_timestamp >= timestamp:
                found = first_record_since(self._pread(batch.size, position), timestamp, from_offset)
                if found is not None:
                    return found
            position += batch.size
        return None

    def create(self) -> None:
        """Make the file, which keeps the end offset of a log whose records are all gone."""
        self._files.descriptor(self.path)

    def delete(self) -> None:
        self._files.drop(self.path)
        self.path.unlink(missing_ok=True)

    def _note(self, batch: BatchHeader) -> None:
        if not self._positions or self.size - self._positions[-1] >= INDEX_INTERVAL_BYTES:
            self._offsets.append(batch.base_offset)
            self._positions.append(self.size)
            self._timestamps.append(self.max_timestamp)  # of what stands before, so that a search starts early enough
        if not self.size:
            self.first_timestamp = batch.base_timestamp
        self.size += batch.size
        self.end_offset = batch.next_offset
        self.max_timestamp = max(self.max_timestamp, batch.max_timestamp)

    def _locate(self, offset: int) -> tuple[int, BatchHeader]:
        """Position and header of the batch that holds `offset`, or of the next one."""
        position = self._positions[max(bisect_right(self._offsets, offset) - 1, 0)]
        while True:
            chunk = self._pread(2 * INDEX_INTERVAL_BYTES, position)
            at = 0
            while at + HEADER.size <= len(chunk):
                batch = parse(chunk, at)
                if batch.next_offset > offset:
                    return position + at, batch
                at += batch.size
            if not at:
                raise OSError(f"{self.path}: no batch at {position}")
            position += at

    def _pread(self, count: int, position: int) -> bytes:
        return os.pread(self._files.descriptor(self.path), count, position)
