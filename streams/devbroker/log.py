"""The log of one partition: segments, retention, and who waits for more."""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path
from typing import Protocol

from streams.devbroker.batch import check_produced
from streams.devbroker.codes import Code, Refusal
from streams.devbroker.files import OpenFiles
from streams.devbroker.producers import ProducerSequences
from streams.devbroker.segment import NO_TIMESTAMP, Segment
from streams.devbroker.topic_config import TopicConfig


class Waiter(Protocol):
    """What a fetch leaves behind to be told that a log has grown (an `asyncio.Event`)."""

    def set(self) -> None: ...


class PartitionLog:
    """Append-only log of one partition. No method blocks on anything but the page cache.

    An append is in the operating system's hands when `append` returns: it survives the death of this process, not of
    the machine.

    Attributes
    ----------
    start_offset, end_offset : first offset that can be fetched, and the next one to be written.
    waiters : are told of every append and when the log goes away.
    """

    def __init__(self, folder: Path, partition: int, config: TopicConfig, files: OpenFiles) -> None:
        self.folder, self.partition, self.config, self._files = folder, partition, config, files
        self.waiters: set[Waiter] = set()
        self._producers = ProducerSequences()
        bases = sorted(int(path.name.split(".")[1]) for path in folder.glob(f"{partition}.*.log"))
        self._segments = [self._segment(base) for base in bases]
        for segment in self._segments:
            segment.recover(self._producers.note, tail=segment is self._segments[-1])
        self._segments = self._segments or [self._segment(0)]
        self.start_offset = self._segments[0].base_offset

    @property
    def end_offset(self) -> int:
        return self._segments[-1].end_offset

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(segment.size for segment in self._segments)

    def append(self, records: bytes) -> int:
        """Write one batch from a producer and return its base offset; of a repeated batch, the one it has already.

        Raises
        ------
        Refusal : the batch is not acceptable, or the disk is not.
        """
        batch = check_produced(records, self.config.max_message_bytes)
        earlier = self._producers.duplicate(batch)
        if earlier is not None:
            return earlier
        batch = batch._replace(base_offset=self.end_offset, leader_epoch=0)
        try:
            self._writable(batch.size).append(batch, records)
        except OSError as error:
            raise Refusal(Code.KAFKA_STORAGE_ERROR, str(error)) from error
        self._producers.note(batch)
        self.wake()
        return batch.base_offset

    def read(self, offset: int, max_bytes: int) -> bytes:
        """Return whole batches (the last may be cut) from the one that holds `offset` on; empty at the end.

        Raises
        ------
        Refusal : OFFSET_OUT_OF_RANGE.
        """
        if not self.start_offset <= offset <= self.end_offset:
            raise Refusal(Code.OFFSET_OUT_OF_RANGE, f"{offset} is not in [{self.start_offset}, {self.end_offset}]")
        at = bisect_right(self._segments, offset, key=lambda segment: segment.base_offset) - 1
        for segment in self._segments[at:]:
            if offset < segment.end_offset:
                return segment.read(offset, max_bytes)
        return b""

    def find_time(self, timestamp: int) -> tuple[int, int] | None:
        """Offset and timestamp of the first record that is not before `timestamp` (ms), None when there is none."""
        for segment in self._segments:
            if segment.max_timestamp >= timestamp:
                found = segment.find_time(timestamp, self.start_offset)
                if found is not None:
                    return found
        return None

    def max_timestamp(self) -> tuple[int, int] | None:
        """Offset and timestamp of the youngest record."""
        return self.find_time(max(segment.max_timestamp for segment in self._segments)) if self.size else None

    def retain(self, now_ms: int) -> None:
        """Delete what ``retention.ms`` and ``retention.bytes`` no longer keep, whole segments at a time."""
        if self._segments[-1].size and now_ms - self._segments[-1].first_timestamp > self.config.segment_ms:
            self._roll()
        excess = self.size - self.config.retention_bytes if self.config.retention_bytes >= 0 else -1
        oldest = now_ms - self.config.retention_ms if self.config.retention_ms >= 0 else NO_TIMESTAMP
        while self._segments[0].size:
            first = self._segments[0]
            too_old, too_much = first.max_timestamp < oldest, len(self._segments) > 1 and excess >= first.size
            if not too_old and not too_much:
                break
            excess -= first.size
            self._drop_first()

    def delete_before(self, offset: int) -> None:
        """Move the start to `offset` and delete the segments that end before it."""
        self.start_offset = max(self.start_offset, min(offset, self.end_offset))
        while self._segments[0].size and self._segments[0].end_offset <= self.start_offset:
            self._drop_first()

    def delete(self) -> None:
        """Remove every file."""
        for segment in self._segments:
            segment.delete()
        self.wake()

    def wake(self) -> None:
        """Tell those who wait that there may be something to fetch."""
        for waiter in self.waiters:
            waiter.set()

    def _segment(self, base_offset: int) -> Segment:
        return Segment(self.folder / f"{self.partition}.{base_offset:020d}.log", base_offset, self._files)

    def _writable(self, size: int) -> Segment:
        last = self._segments[-1]
        if last.size and last.size + size > self.config.segment_bytes:
            self._roll()
        return self._segments[-1]

    def _roll(self) -> None:
        self._segments.append(self._segment(self.end_offset))
        self._segments[-1].create()

    def _drop_first(self) -> None:
        if len(self._segments) == 1:
            self._roll()  # before the delete, so that a crash in between cannot forget the end offset
        self._segments.pop(0).delete()
        self.start_offset = max(self.start_offset, self._segments[0].base_offset)
