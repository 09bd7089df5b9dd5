"""What leaves a worker once its decisions are durable: scores, measurements, judge requests, session members."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from drift.segments import measurements
from schemas.judge_request import Dimensions, JudgeRequest
from schemas.measurement import Positioned, in_columns
from schemas.score import DecisionKey, Score
from schemas.settings import MonitorSettings, Topics
from streams.producer import Outgoing

NO_VECTORS: Mapping[DecisionKey, tuple[float, ...]] = {}


def positioned(
    offset: int,
    scores: Sequence[Score],
    dimensions: Dimensions,
    settings: MonitorSettings,
    vectors: Mapping[DecisionKey, tuple[float, ...]] = NO_VECTORS,
) -> list[Positioned]:
    """The measurements that the decisions of one trace give: of the measured ones, and of those that gave no score."""
    counted = [score for score in scores if score.measured or score.status != "scored"]
    found = measurements(counted, dimensions, settings.dimensions, settings.crosses, vectors)
    return [Positioned(offset, measurement) for measurement in found]


def measurement_records(
    items: Iterable[Positioned], *, topic: str, partition: int, epoch: int, partition_count: int
) -> list[Outgoing]:
    """One columnar record for each partition of `measurements` that is concerned."""
    batches = in_columns(items, topic=topic, partition=partition, epoch=epoch, partition_count=partition_count)
    return [
        Outgoing(Topics.MEASUREMENTS, batch.to_bytes(), partition=target) for target, batch in sorted(batches.items())
    ]


def score_records(scores: Iterable[Score]) -> list[Outgoing]:
    """Scores, keyed by trace."""
    return [Outgoing(Topics.SCORES, score.to_bytes(), score.trace_id.encode()) for score in scores]


def request_records(requests: Iterable[JudgeRequest]) -> list[Outgoing]:
    """Judge requests, keyed by trace."""
    return [Outgoing(Topics.JUDGE_REQUESTS, request.to_bytes(), request.trace_id.encode()) for request in requests]
