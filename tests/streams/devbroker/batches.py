"""Record batches as producers make them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from streams.devbroker.files import OpenFiles
from streams.devbroker.log import PartitionLog
from streams.devbroker.settings import DevBrokerSettings
from streams.devbroker.topic_config import TopicConfig

NOW_MS = int(time.time() * 1000)
NO_PRODUCER = (-1, -1, -1)


def batch(
    values: Sequence[bytes],
    *,
    timestamp: int = NOW_MS,
    producer: tuple[int, int, int] = NO_PRODUCER,
    transactional: bool = False,
    compression: int = 0,
) -> bytes:
    """Build a batch; `producer` is (id, epoch, first sequence), timestamps rise by 1 ms a record, `compression` is Kafka's number."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=compression,
        is_transactional=transactional,
        producer_id=producer[0],
        producer_epoch=producer[1],
        base_sequence=producer[2],
        batch_size=1 << 24,
    )
    for index, value in enumerate(values):
        builder.append(index, timestamp + index, None, value, [])
    return bytes(builder.build())


def values(data: bytes) -> list[tuple[int, bytes]]:
    """Offset and value of every record in `data`; a batch that is cut at the end does not count."""
    records, found = MemoryRecords(data), []
    while records.has_next():
        found += [(record.offset, record.value) for record in records.next_batch()]
    return found


def open_log(folder: Path, **config: object) -> PartitionLog:
    """Open partition 0 in `folder` as a start of the broker does."""
    given = {name.replace("_", "."): str(value) for name, value in config.items()}
    return PartitionLog(folder, 0, TopicConfig(given, DevBrokerSettings()), OpenFiles())


def read_all(log: PartitionLog) -> list[tuple[int, bytes]]:
    """Fetch from the start to the end."""
    found: list[tuple[int, bytes]] = []
    while (offset := found[-1][0] + 1 if found else log.start_offset) < log.end_offset:
        found += [record for record in values(log.read(offset, 1 << 20)) if record[0] >= offset]
    return found
