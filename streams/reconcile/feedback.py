"""Every human score is stored, or its record is a dead letter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from schemas.errors import InvalidRecord
from schemas.settings import Topics
from streams.evaluating.feedback import FeedbackRecord
from streams.reconcile.ground import Ground
from streams.reconcile.report import Missing


def take_feedback(ground: Ground, records: Sequence[Any]) -> None:
    """Records of `feedback`."""
    given, unread = [], []
    for record in records:
        try:
            given.append((record, FeedbackRecord.from_bytes(record.value or b"")))
        except InvalidRecord:
            unread.append(record)
    unread += [record for record, feedback in given if not feedback.is_valid]
    ground.account_unread("records", Topics.FEEDBACK, unread)
    stored = ground.warehouse.decided_keys([feedback.trace_id for _, feedback in given])
    for record, feedback in given:
        if not feedback.is_valid:
            continue
        if feedback.key in stored:
            ground.report.add("feedback", "stored")
        elif not ground.is_done(Topics.FEEDBACK, record):
            ground.report.add("feedback", "in_flight")
        else:
            ground.report.miss(
                Missing(
                    "feedback",
                    "feedback_lost",
                    trace_id=feedback.trace_id,
                    span_id=feedback.span_id,
                    evaluator=feedback.name,
                    topic=Topics.FEEDBACK,
                    partition=record.partition,
                    offset=record.offset,
                    detail="the human score is not stored",
                )
            )
