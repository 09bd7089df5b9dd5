"""Records as rows of the bulk statements, in the order of each table's columns, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from schemas.score import DecisionKey, Score
from schemas.source import Source
from schemas.trace import Message, Span, Trace

from .database import Database
from .types import clean, json_text

Row = tuple[Any, ...]
NO_SOURCE = (None, None, None, None)
TOOLS_ROLE = "tools"
_MESSAGE_COLUMNS = {"digest", "role", "content"}


def trace_row(database: Database, trace: Trace, stored_at: datetime) -> Row:
    root = trace.root
    start, end = (trace.start, trace.end) if trace.spans else (None, None)
    return (
        trace.trace_id,
        trace.session_id,
        text(trace.user_id),
        clean(trace.project),
        clean(trace.environment),
        trace.revision,
        trace.fingerprint,
        text(root.name if root else None),
        database.time(start),
        database.time(end),
        database.time(end),
        trace.incomplete,
        trace.partial,
        json_text(trace.resource) if trace.resource else None,
        None,
        None,
        database.time(stored_at),
    )


def span_row(database: Database, trace_id: str, span: Span, *, shown: bool) -> Row:
    usage = span.usage
    return (
        trace_id,
        span.span_id,
        span.digest,
        shown,
        text(span.parent_id),
        clean(span.name),
        span.kind,
        database.time(span.start),
        database.time(span.end),
        span.duration_s,
        span.status,
        text(span.error_type),
        text(span.agent_name),
        text(span.tool_name),
        text(span.request_model),
        text(span.response_model),
        text(span.prompt_name),
        text(span.prompt_version),
        usage.input_tokens if usage else None,
        usage.output_tokens if usage else None,
        json_text(span),
    )


def message_row(trace_id: str, message: Message) -> Row:
    more = message.model_dump(exclude=_MESSAGE_COLUMNS, exclude_defaults=True)
    return (trace_id, message.digest, message.role, clean(message.content), json_text(more) if more else None)


def tools_row(trace_id: str, digest: str, tools: Sequence[Mapping[str, Any]]) -> Row:
    return (trace_id, digest, TOOLS_ROLE, "", json_text(tools))


def score_row(database: Database, score: Score, stored_at: Any, *, measured: bool) -> Row:
    """`stored_at` as the driver takes it."""
    return (
        *score.key,
        score.score_id,
        score.target,
        score.span_id,
        text(score.blamed_span_id),
        score.session_id,
        clean(score.project),
        clean(score.environment),
        score.kind,
        score.revision,
        score.status,
        score.value,
        text(score.label),
        score.passed,
        clean(score.explanation),
        json_text(score.evidence) if score.evidence else "[]",
        text(score.skip_reason),
        text(score.error_type),
        score.inclusion_probability,
        score.cost_usd,
        score.latency_s,
        text(score.model),
        text(score.prompt_name),
        text(score.prompt_version),
        score.profile_version,
        database.time(score.event_time),
        *source_row(score.source),
        measured,
        json_text(score.attributes) if score.attributes else "{}",
        stored_at,
    )


def source_row(source: Source | None) -> Row:
    return NO_SOURCE if source is None else (source.topic, source.partition, source.offset, source.epoch)


def read_source(row: RowMapping) -> Source | None:
    if row["source_topic"] is None:
        return None
    return Source(
        topic=row["source_topic"],
        partition=row["source_partition"],
        offset=row["source_offset"],
        epoch=row["source_epoch"],
    )


def read_key(row: RowMapping) -> DecisionKey:
    return DecisionKey(
        row["trace_id"], row["evaluator"], row["evaluator_version"], row["target_id"], row["target_digest"]
    )


def read_score(row: RowMapping) -> Score:
    found: dict[str, Any] = {str(name): value for name, value in row.items()}
    found["source"] = read_source(row)
    found["evidence"] = found["evidence"] or ()
    found["attributes"] = found["attributes"] or {}
    return Score.model_validate(found)


def text(value: str | None) -> str | None:
    return None if value is None else clean(value)
