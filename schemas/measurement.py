"""What the monitor sees: one number per (trace, evaluator, segment), sent in columns.

A worker writes one `MeasurementBatch` per partition of the topic and batch of work. Offsets of one source partition
rise within a batch and from batch to batch, so that the reader can drop what it has already counted.
"""

from __future__ import annotations

import math
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from .base import Identifier, Int32, Int64, Record, UtcDatetime, is_id
from .errors import InvalidRecord
from .ids import plain_digest
from .profile import Feature, FeatureColumns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEYS_REMEMBERED = 65_536
_FIRST_S, _LAST_S = -62_135_596_800, 253_402_300_799  # of the years 1 to 9999

Outcome = Literal["scored", "failed", "skipped"]


class Segment(Record):
    """What a series of measurements is about: an evaluator in a project and environment, alone or within one
    declared dimension (such as ``tool = "search"``)."""

    project: str = ""
    environment: str = ""
    evaluator: str
    dimension: str | None = None
    dimension_value: str | None = None

    @property
    def key(self) -> str:
        """A stable text, also the key that chooses the partition."""
        return _segment_key(self.project, self.environment, self.evaluator, self.dimension, self.dimension_value)

    @classmethod
    def of_key(cls, key: str) -> Self:
        """The segment that has this key."""
        project, environment, evaluator, dimension, value = key_parts(key)
        return cls(
            project=project, environment=environment, evaluator=evaluator, dimension=dimension, dimension_value=value
        )

    def partition(self, count: int) -> int:
        """The partition, of `count`, that all measurements of this segment go to."""
        return _place(self.key) % count


@lru_cache(maxsize=KEYS_REMEMBERED)
def _segment_key(project: str, environment: str, evaluator: str, dimension: str | None, value: str | None) -> str:
    parts = (
        [project, environment, evaluator]
        if dimension is None
        else [project, environment, evaluator, f"{dimension}={value}"]
    )
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts)


def key_parts(key: str) -> tuple[str, str, str, str | None, str | None]:
    """Project, environment, evaluator, dimension and its value of a segment's key."""
    parts = key.split("/")
    if "%" in key:
        parts = [part.replace("%2F", "/").replace("%25", "%") for part in parts]
    project, environment, evaluator, *inside = parts
    if not inside:
        return project, environment, evaluator, None, None
    dimension, _, value = inside[0].partition("=")
    return project, environment, evaluator, dimension, value


@lru_cache(maxsize=KEYS_REMEMBERED)
def _place(key: str) -> int:
    return int(plain_digest(key)[:8], 16)


class Measurement(Record):
    """One trace's outcome under one evaluator in one segment. `vector` is float16, for embedding evaluators; `label` is
    the category that the evaluator named."""

    segment: Segment
    trace_id: str
    outcome: Outcome = "scored"
    value: float | None = None
    passed: bool | None = None
    label: str | None = None
    event_time: UtcDatetime
    inclusion_probability: float = 1.0
    vector: tuple[float, ...] | None = None


class Positioned(NamedTuple):
    """A measurement with the source offset that produced it."""

    offset: int
    measurement: Measurement


class MeasurementBatch(Record):
    """Columns of measurements of one source partition. Arrays are of equal length; indices point into the tables.

    `label` (into `labels`) is empty where no measurement has one, as in records of workers that know no labels.
    """

    schema_version: Literal[1] = 1
    source_topic: Identifier
    source_partition: Int32
    source_epoch: Int32 = 0
    partition_count: Int32
    segments: tuple[Segment, ...]
    traces: tuple[str, ...]
    segment: tuple[Int32, ...]
    trace: tuple[Int32, ...]
    outcome: tuple[Outcome, ...]
    value: tuple[float | None, ...]
    passed: tuple[bool | None, ...]
    time: tuple[float, ...]
    inclusion: tuple[float, ...]
    offset: tuple[Int64, ...]
    labels: tuple[Identifier, ...] = ()
    label: tuple[Int32 | None, ...] = ()
    vectors: Mapping[int, str] = {}
    features: FeatureColumns | None = None

    @classmethod
    def from_bytes(cls, data: bytes | str) -> Self:
        """Read a record from JSON.

        Raises
        ------
        InvalidRecord : it is none, or its columns do not fit together: nothing of it is counted then.
        """
        found = super().from_bytes(data)
        wrong = _wrong(found)
        if wrong is not None:
            raise InvalidRecord("wrong_type", f"not a valid {cls.__name__}: {wrong}")
        return found


def in_columns(
    items: Iterable[Positioned],
    features: Iterable[Feature] = (),
    *,
    topic: str,
    partition: int,
    epoch: int,
    partition_count: int,
) -> dict[int, MeasurementBatch]:
    """Measurements and features of one source partition as one batch per partition of the measurements topic."""
    split: dict[int, list[Positioned]] = {}
    for item in sorted(items, key=lambda i: i.offset):
        split.setdefault(item.measurement.segment.partition(partition_count), []).append(item)
    shown: dict[int, list[Feature]] = {}
    for feature in features:
        shown.setdefault(feature.key.partition(partition_count), []).append(feature)
    found = {}
    for target in split.keys() | shown.keys():
        batch = _batch(
            split.get(target, []), topic=topic, partition=partition, epoch=epoch, partition_count=partition_count
        )
        learned = {"features": FeatureColumns.of(shown[target])} if target in shown else {}
        found[target] = batch.model_copy(update=learned)
    return found


def _batch(rows: list[Positioned], *, topic: str, partition: int, epoch: int, partition_count: int) -> MeasurementBatch:
    segments: dict[str, int] = {}
    traces: dict[str, int] = {}
    labels: dict[str, int] = {}
    table: list[Segment] = []
    found = [row.measurement for row in rows]
    for m in found:
        if m.segment.key not in segments:
            segments[m.segment.key] = len(table)
            table.append(m.segment)
        traces.setdefault(m.trace_id, len(traces))
        if m.label is not None:
            labels.setdefault(m.label, len(labels))
    return MeasurementBatch(
        source_topic=topic,
        source_partition=partition,
        source_epoch=epoch,
        partition_count=partition_count,
        segments=tuple(table),
        traces=tuple(traces),
        segment=tuple(segments[m.segment.key] for m in found),
        trace=tuple(traces[m.trace_id] for m in found),
        outcome=tuple(m.outcome for m in found),
        value=tuple(m.value for m in found),
        passed=tuple(m.passed for m in found),
        time=tuple(m.event_time.timestamp() for m in found),
        inclusion=tuple(m.inclusion_probability for m in found),
        offset=tuple(row.offset for row in rows),
        labels=tuple(labels),
        label=tuple(None if m.label is None else labels[m.label] for m in found) if labels else (),
        vectors={i: _pack(m.vector) for i, m in enumerate(found) if m.vector is not None},
    )


def _wrong(batch: MeasurementBatch) -> str | None:
    """What is wrong with the columns together."""
    if batch.features is not None and (problem := batch.features.problem()) is not None:
        return problem
    columns = (batch.trace, batch.outcome, batch.value, batch.passed, batch.time, batch.inclusion, batch.offset)
    if any(len(column) != len(batch.segment) for column in columns):
        return "the columns have different lengths"
    if any(i >= len(batch.segments) for i in batch.segment) or any(i >= len(batch.traces) for i in batch.trace):
        return "an index points nowhere"
    if batch.label and len(batch.label) != len(batch.segment):
        return "the columns have different lengths"
    if any(i >= len(batch.labels) for i in batch.label if i is not None):
        return "an index points nowhere"
    if not all(_FIRST_S <= time <= _LAST_S for time in batch.time):
        return "a time is out of range"
    if not all(math.isfinite(value) for value in batch.value if value is not None):
        return "a value is not finite"
    if not all(0 < inclusion <= 1 for inclusion in batch.inclusion):
        return "an inclusion probability is not in (0, 1]"
    texts = (
        text for s in batch.segments for text in (s.project, s.environment, s.evaluator, s.dimension, s.dimension_value)
    )
    if not all(is_id(text) for text in (*batch.traces, *(text for text in texts if text is not None))):
        return "a name is too long or has a NUL"
    try:
        for text in batch.vectors.values():
            unpacked(text)
    except ValueError:
        return "a vector cannot be read"
    return None


def unpacked(text: str) -> NDArray[np.float16]:
    """A vector of `MeasurementBatch.vectors`."""
    import numpy as np

    return np.frombuffer(b64decode(text, validate=True), dtype="<f2").astype(np.float16)


def _pack(vector: tuple[float, ...]) -> str:
    import numpy as np

    return b64encode(np.asarray(vector, dtype="<f2").tobytes()).decode()
