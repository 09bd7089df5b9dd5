"""The tables. `docs/concepts/warehouse.md` describes them; migrations create them; a test holds the two together."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from .types import Id, Json, Serial, UtcTime

metadata = MetaData()


def _source() -> list[Column]:
    return [
        Column("source_topic", Id),
        Column("source_partition", Integer),
        Column("source_offset", BigInteger),
        Column("source_epoch", Integer),
    ]


traces = Table(
    "traces",
    metadata,
    Column("trace_id", Id, primary_key=True),
    Column("session_id", Id),
    Column("user_id", Text),
    Column("project", Id, nullable=False, server_default=""),
    Column("environment", Id, nullable=False, server_default=""),
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("fingerprint", Id, nullable=False, server_default=""),
    Column("root_name", Text),
    Column("start", UtcTime),
    Column("end", UtcTime),
    Column("event_time", UtcTime),
    Column("incomplete", Boolean, nullable=False, server_default=text("false")),
    Column("partial", Boolean, nullable=False, server_default=text("false")),
    Column("resource", Json),
    Column("passed_over", Json),
    Column("measured", Json),
    Column("stored_at", UtcTime, nullable=False),
    Index("traces_by_time", "project", "environment", "event_time"),
    Index("traces_by_session", "session_id"),
    Index(
        "traces_by_user",
        "user_id",
        postgresql_where=text("user_id IS NOT NULL"),
        sqlite_where=text("user_id IS NOT NULL"),
    ),
    Index("traces_by_storing", "stored_at"),
    Index(
        "traces_partial",
        "stored_at",
        postgresql_where=text("partial"),
        sqlite_where=text("partial"),
    ),
)

spans = Table(
    "spans",
    metadata,
    Column("trace_id", Id, primary_key=True),
    Column("span_id", Id, primary_key=True),
    Column("digest", Id, primary_key=True),
    Column("shown", Boolean, nullable=False),
    Column("parent_id", Id),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("start", UtcTime, nullable=False),
    Column("end", UtcTime, nullable=False),
    Column("duration_s", Float, nullable=False),
    Column("status", Text, nullable=False),
    Column("error_type", Text),
    Column("agent_name", Text),
    Column("tool_name", Text),
    Column("request_model", Text),
    Column("response_model", Text),
    Column("prompt_name", Text),
    Column("prompt_version", Text),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("body", Json, nullable=False),
)

messages = Table(
    "messages",
    metadata,
    Column("trace_id", Id, primary_key=True),
    Column("digest", Id, primary_key=True),
    Column("role", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("body", Json),
)

sessions = Table(
    "sessions",
    metadata,
    Column("session_id", Id, primary_key=True),
    Column("project", Id, nullable=False, server_default=""),
    Column("environment", Id, nullable=False, server_default=""),
    Column("fingerprint", Id, nullable=False, server_default=""),
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("traces", Json),
    Column("measured", Json),
    Column("stored_at", UtcTime, nullable=False),
)

scores = Table(
    "scores",
    metadata,
    Column("trace_id", Id, primary_key=True),
    Column("evaluator", Id, primary_key=True),
    Column("evaluator_version", Id, primary_key=True),
    Column("target_id", Id, primary_key=True),
    Column("target_digest", Id, primary_key=True),
    Column("score_id", Id, nullable=False),
    Column("target", Text, nullable=False),
    Column("span_id", Id),
    Column("blamed_span_id", Id),
    Column("session_id", Id),
    Column("project", Id, nullable=False),
    Column("environment", Id, nullable=False),
    Column("kind", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("value", Float),
    Column("label", Text),
    Column("passed", Boolean),
    Column("explanation", Text, nullable=False),
    Column("evidence", Json),
    Column("skip_reason", Text),
    Column("error_type", Text),
    Column("inclusion_probability", Float, nullable=False),
    Column("cost_usd", Float),
    Column("latency_s", Float),
    Column("model", Text),
    Column("prompt_name", Text),
    Column("prompt_version", Text),
    Column("profile_version", Text),
    Column("event_time", UtcTime, nullable=False),
    *_source(),
    Column("measured", Boolean, nullable=False),
    Column("attributes", Json),
    Column("stored_at", UtcTime, nullable=False),
    Index("scores_by_evaluator", "evaluator", "event_time"),
    Index(
        "scores_by_session",
        "session_id",
        postgresql_where=text("session_id IS NOT NULL"),
        sqlite_where=text("session_id IS NOT NULL"),
    ),
    Index(
        "scores_by_cost",
        "stored_at",
        postgresql_where=text("cost_usd > 0"),
        sqlite_where=text("cost_usd > 0"),
    ),
    # SQLite would repeat the whole key in it: a third of the table again.
    Index("scores_by_time", "event_time").ddl_if(dialect="postgresql"),
    Index(
        "scores_of_people",
        "trace_id",
        "evaluator",
        "target_id",
        postgresql_where=text("kind = 'human'"),
        sqlite_where=text("kind = 'human'"),
    ),
    Index(
        "scores_put_off",
        "stored_at",
        postgresql_where=text("skip_reason = 'learning'"),
        sqlite_where=text("skip_reason = 'learning'"),
    ),
    sqlite_with_rowid=False,
)

evaluators = Table(
    "evaluators",
    metadata,
    Column("name", Id, primary_key=True),
    Column("current_version", Id, nullable=False),
    Column("since", UtcTime, nullable=False),
)

requests = Table(
    "requests",
    metadata,
    Column("request_id", Id, primary_key=True),
    Column("trace_id", Id, nullable=False),
    Column("evaluator", Id, nullable=False),
    Column("evaluator_version", Id, nullable=False),
    *_source(),
    Column("created", UtcTime, nullable=False),
    Column("body", Json, nullable=False),
    Index("requests_by_trace", "trace_id"),
)

request_decisions = Table(
    "request_decisions",
    metadata,
    Column("trace_id", Id, primary_key=True),
    Column("evaluator", Id, primary_key=True),
    Column("evaluator_version", Id, primary_key=True),
    Column("target_id", Id, primary_key=True),
    Column("target_digest", Id, primary_key=True),
    Column("request_id", Id, nullable=False),
    Index("request_decisions_by_request", "request_id"),
    sqlite_with_rowid=False,
)

drift_events = Table(
    "drift_events",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=True),
    Column("event_id", Id, nullable=False, unique=True),
    Column("segment_key", Id, nullable=False),
    Column("project", Id, nullable=False),
    Column("environment", Id, nullable=False),
    Column("evaluator", Id, nullable=False),
    Column("dimension", Text),
    Column("dimension_value", Text),
    Column("detector", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("detected_at", UtcTime, nullable=False),
    Column("changed_at", UtcTime),
    Column("before", Float),
    Column("after", Float),
    Column("statistic", Float),
    Column("threshold", Float),
    Column("observations", BigInteger, nullable=False),
    Column("trace_id", Id, nullable=False),
    Column("explanation", Text, nullable=False),
    Column("details", Json),
    Column("change", Text, nullable=False, server_default="new"),
    Column("changed_earliest", UtcTime),
    Column("changed_latest", UtcTime),
    Column("before_low", Float),
    Column("before_high", Float),
    Column("after_low", Float),
    Column("after_high", Float),
    Column("observations_after", BigInteger),
    Column("epoch", BigInteger, nullable=False, server_default="1"),
    Column("revision", BigInteger, nullable=False, server_default="0"),
    Column("revises", Id),
    Column("subject", Text),
    Column("labels_changed", Json),
    Column("cause", Json),
    Index("drift_events_by_time", "detected_at"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=True),
    Column("alert_id", Id, nullable=False, unique=True),
    Column("dedup_key", Id, nullable=False),
    Column("rule", Id, nullable=False),
    Column("segment_key", Id, nullable=False),
    Column("project", Id, nullable=False),
    Column("environment", Id, nullable=False),
    Column("evaluator", Id, nullable=False),
    Column("dimension", Text),
    Column("dimension_value", Text),
    Column("state", Text, nullable=False),
    Column("previous_state", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("statistic", Text, nullable=False),
    Column("value", Float),
    Column("threshold", Float),
    Column("samples", BigInteger, nullable=False),
    Column("window_start", UtcTime),
    Column("window_end", UtcTime),
    Column("fired_at", UtcTime, nullable=False),
    Column("summary", Text, nullable=False),
    Column("notify", Boolean, nullable=False),
    Column("body", Json, nullable=False),
    Index("alerts_by_time", "fired_at"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("letter_id", Id, primary_key=True),
    Column("component", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    *_source(),
    Column("digest", Id, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("key", Text),
    Column("time", UtcTime, nullable=False),
    Column("payload", Text),
    Column("requeued_at", UtcTime),
    Index("dead_letters_by_time", "time"),
)

meta = Table("meta", metadata, Column("key", Id, primary_key=True), Column("value", Text, nullable=False))

positions = Table(
    "positions",
    metadata,
    Column("component", Id, primary_key=True),
    Column("topic", Id, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("digest", Id),
)

gaps = Table(
    "gaps",
    metadata,
    Column("component", Id, primary_key=True),
    Column("topic", Id, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("from_offset", BigInteger, primary_key=True),
    Column("to_offset", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("time", UtcTime, nullable=False),
)

attempts = Table(
    "attempts",
    metadata,
    Column("component", Id, primary_key=True),
    Column("topic", Id, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("offset", BigInteger, primary_key=True),
    Column("starts", Integer, nullable=False),
    Column("through", BigInteger, nullable=False, server_default="0"),
)

monitor_partitions = Table(
    "monitor_partitions",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
)

monitor_state = Table(
    "monitor_state",
    metadata,
    Column("partition", Integer, primary_key=True),
    Column("kind", Id, primary_key=True),
    Column("key", Id, primary_key=True),
    Column("state", LargeBinary, nullable=False),
)

monitor_positions = Table(
    "monitor_positions",
    metadata,
    Column("partition", Integer, primary_key=True),
    Column("source_topic", Id, primary_key=True),
    Column("source_partition", Integer, primary_key=True),
    Column("source_epoch", Integer, primary_key=True),
    Column("offset", BigInteger, nullable=False),
)

profiles = Table(
    "profiles",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=True),
    Column("project", Id, nullable=False),
    Column("environment", Id, nullable=False),
    Column("evaluator", Id, nullable=False),
    Column("subject", Id, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("version", Id, nullable=False),
    Column("observations", BigInteger, nullable=False),
    Column("body", Json, nullable=False),
    Column("learned_at", UtcTime, nullable=False),
    UniqueConstraint(
        "project", "environment", "evaluator", "subject", "partition", "number", name="profiles_by_subject"
    ),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("partition", Integer, nullable=False),
    Column("destination", Id, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("dedup_id", Id, nullable=False),
    Column("created", UtcTime, nullable=False),
    Column("next_at", UtcTime, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("state", Text, nullable=False, server_default="pending"),
    Column("error", Text),
    Column("finished", UtcTime),
    UniqueConstraint("kind", "destination", "dedup_id", name="outbox_once"),
    Index(
        "outbox_pending",
        "partition",
        "next_at",
        postgresql_where=text("state = 'pending'"),
        sqlite_where=text("state = 'pending'"),
    ),
)

components = Table(
    "components",
    metadata,
    Column("component", Id, primary_key=True),
    Column("instance", Id, primary_key=True),
    Column("seen", UtcTime, nullable=False),
    Column("state", Json, nullable=False),
)

judge_cache = Table(
    "judge_cache",
    metadata,
    Column("key", Id, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("created", UtcTime, nullable=False),
    Column("trace_id", Id),
    Index("judge_cache_by_trace", "trace_id"),
    Index("judge_cache_by_age", "created"),
)

tombstones = Table(
    "tombstones",
    metadata,
    Column("digest", Id, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("since", UtcTime, nullable=False),
)
