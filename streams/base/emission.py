"""What leaves a worker once its decisions are durable: scores, measurements, judge requests, session members."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from drift.segments import measurements
from evaluators.profiles.evaluator import LEARNING
from evaluators.run import Suite
from schemas.judge_request import Dimensions, JudgeRequest
from schemas.measurement import Positioned, in_columns
from schemas.profile import Feature
from schemas.score import DecisionKey, Score
from schemas.settings import MonitorSettings, Topics
from schemas.trace import Trace
from streams.kafka.otlp_records import RECORD_OVERHEAD_BYTES
from streams.kafka.producer import Outgoing

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


def shown(suite: Suite, trace: Trace, scores: Iterable[Score]) -> Iterator[Feature]:
    """What decisions show the evaluators that learn: of the measured ones, and of those that wait for a profile."""
    counted = [score for score in scores if score.measured or score.skip_reason == LEARNING]
    for score, feature in suite.features(trace, counted) if counted else ():
        if score.source is not None:
            yield feature._replace(offset=score.source.offset)


def measurement_records(
    items: Iterable[Positioned],
    features: Iterable[Feature] = (),
    *,
    topic: str,
    partition: int,
    epoch: int,
    partition_count: int,
) -> list[Outgoing]:
    """One columnar record for each partition of `measurements` that is concerned."""
    batches = in_columns(
        items, features, topic=topic, partition=partition, epoch=epoch, partition_count=partition_count
    )
    return [
        Outgoing(Topics.MEASUREMENTS, batch.to_bytes(), partition=target) for target, batch in sorted(batches.items())
    ]


def score_records(scores: Iterable[Score]) -> list[Outgoing]:
    """Scores, keyed by trace."""
    return [Outgoing(Topics.SCORES, score.to_bytes(), score.trace_id.encode()) for score in scores]


def request_records(requests: Iterable[JudgeRequest], max_record_bytes: int) -> list[Outgoing]:
    """Judge requests, keyed by trace; one with more views than a record can hold in several."""
    return [
        Outgoing(Topics.JUDGE_REQUESTS, body, request.trace_id.encode())
        for request in requests
        for body in _pieces(request, max_record_bytes - RECORD_OVERHEAD_BYTES)
    ]


def _pieces(request: JudgeRequest, room: int) -> Iterator[bytes]:
    body = request.to_bytes()
    if len(body) <= room or len(request.views) == 1:
        yield body
        return
    middle = len(request.views) // 2
    for views in (request.views[:middle], request.views[middle:]):
        yield from _pieces(request.model_copy(update={"views": views}), room)
