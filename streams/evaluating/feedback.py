"""Human scores from the topic `feedback`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import structlog

from schemas.base import Identifier, Published, UtcDatetime
from schemas.errors import InvalidRecord
from schemas.ids import plain_digest
from schemas.score import DecisionKey, Score
from schemas.settings import Topics
from schemas.source import Source
from streams.base.context import Context
from streams.base.crash_points import passing
from streams.base.dead_letters import DeadLetters
from streams.base.emission import score_records
from streams.base.in_order import InOrder
from streams.base.log_guard import LogGuard
from streams.base.poison import PoisonGuard
from streams.base.progress import Progress
from streams.kafka.batch import Batch
from streams.kafka.clock import record_time
from streams.kafka.producer import Outgoing
from streams.telemetry.tally import count_decisions

log = structlog.get_logger(__name__)

PASS_AT = 0.5


class FeedbackRecord(Published):
    """What a person thinks of a trace or of one of its spans. `score` is in [0, 1]."""

    schema_version: Literal[1] = 1
    trace_id: Identifier
    span_id: Identifier | None = None
    score: float
    label: str | None = None
    comment: str = ""
    name: Identifier = "human"
    author: str | None = None
    time: UtcDatetime | None = None

    @property
    def is_valid(self) -> bool:
        """Whether the score is in [0, 1]."""
        return 0 <= self.score <= 1

    @property
    def version(self) -> str:
        """What tells the scores of two people apart."""
        return f"author:{plain_digest(self.author)[:12]}" if self.author else "human"

    @property
    def key(self) -> DecisionKey:
        """Under which it is stored."""
        return DecisionKey(self.trace_id, self.name, self.version, self.span_id or "", "")

    def to_outgoing(self) -> Outgoing:
        """The record for the topic `feedback`."""
        return Outgoing(Topics.FEEDBACK, self.to_bytes(), self.trace_id.encode())


class Feedback:
    """Stores feedback as scores of kind ``human``; a later one of the same author replaces the earlier one."""

    def __init__(self, context: Context, progress: Progress, guard: LogGuard, dead_letters: DeadLetters) -> None:
        self._context, self._guard, self._dead_letters = context, guard, dead_letters
        self._given = InOrder(progress, guard, PoisonGuard("evaluate", context, dead_letters), self._work)

    async def receive(self, batch: Batch) -> None:
        """Store the human scores of a chunk and publish them on `scores`."""
        await self._given.receive(batch)

    async def _work(self, batch: Batch) -> None:
        context, epoch = self._context, self._guard.epoch(batch)
        scores, letters = [], []
        for record in batch.records:
            try:
                given = FeedbackRecord.from_bytes(record.value or b"")
                if not given.is_valid:
                    raise InvalidRecord("out_of_range", f"score must be in [0, 1], got {given.score}")
                scores.append(self._as_score(given, record, epoch))
            except Exception as error:  # whatever it is, one record must not stop the stream
                if not isinstance(error, InvalidRecord):
                    log.exception("reading feedback failed", offset=record.offset)
                letters.append(self._dead_letters.letter(record, batch.topic, epoch, error))
        await self._dead_letters.bury(batch, letters)
        passing("feedback.read", about=[score.trace_id for score in scores])
        position = self._guard.position(batch, batch.records[-1])
        kept = await context.in_thread(batch, "feedback", lambda: context.warehouse.write_feedback(scores, [position]))
        context.drop("feedback", "deleted", len(scores) - len(kept))
        await context.patiently(batch, "feedback", lambda: context.producer.publish(score_records(kept)))
        count_decisions(context.metrics, kept, ())

    def _as_score(self, given: FeedbackRecord, record: Any, epoch: int) -> Score:
        comment = self._context.redactor.text(given.comment)
        return Score(
            trace_id=given.trace_id,
            target="span" if given.span_id else "trace",
            span_id=given.span_id,
            project=self._context.settings.project,
            environment=self._context.settings.environment,
            evaluator=given.name,
            evaluator_version=given.version,
            kind="human",
            status="scored",
            value=given.score,
            label=given.label,
            passed=given.score >= PASS_AT,
            explanation=comment,
            event_time=given.time or record_time(record),
            source=Source(topic=Topics.FEEDBACK, partition=record.partition, offset=record.offset, epoch=epoch),
        )


def feedback_now(**fields: object) -> FeedbackRecord:
    """A feedback record given at this moment."""
    return FeedbackRecord.model_validate({"time": datetime.now(UTC), **fields})
