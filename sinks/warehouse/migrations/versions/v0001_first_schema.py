"""The first schema."""

import sqlalchemy as sa
from alembic import op

from sinks.warehouse.types import Id, Json, Serial, UtcTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _traces()
    _spans()
    _messages()
    _sessions()
    _scores()
    _evaluators()
    _requests()
    _request_decisions()
    _drift_events()
    _alerts()
    _dead_letters()
    _meta()
    _positions()
    _gaps()
    _attempts()
    _monitor_partitions()
    _monitor_state()
    _monitor_positions()
    _outbox()
    _components()
    _judge_cache()


def _traces() -> None:
    op.create_table(
        "traces",
        sa.Column("trace_id", Id, nullable=False),
        sa.Column("session_id", Id),
        sa.Column("user_id", sa.Text()),
        sa.Column("project", Id, server_default="", nullable=False),
        sa.Column("environment", Id, server_default="", nullable=False),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
        sa.Column("fingerprint", Id, server_default="", nullable=False),
        sa.Column("root_name", sa.Text()),
        sa.Column("start", UtcTime()),
        sa.Column("end", UtcTime()),
        sa.Column("event_time", UtcTime()),
        sa.Column("incomplete", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("partial", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("resource", Json()),
        sa.Column("passed_over", Json()),
        sa.Column("measured", Json()),
        sa.Column("stored_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("trace_id"),
    )
    op.create_index("traces_by_session", "traces", ["session_id"], unique=False)
    op.create_index("traces_by_time", "traces", ["project", "environment", "event_time"], unique=False)
    op.create_index(
        "traces_partial",
        "traces",
        ["stored_at"],
        unique=False,
        postgresql_where=sa.text("partial"),
        sqlite_where=sa.text("partial"),
    )


def _spans() -> None:
    op.create_table(
        "spans",
        sa.Column("trace_id", Id, nullable=False),
        sa.Column("span_id", Id, nullable=False),
        sa.Column("digest", Id, nullable=False),
        sa.Column("shown", sa.Boolean(), nullable=False),
        sa.Column("parent_id", Id),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("start", UtcTime(), nullable=False),
        sa.Column("end", UtcTime(), nullable=False),
        sa.Column("duration_s", sa.Float(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error_type", sa.Text()),
        sa.Column("agent_name", sa.Text()),
        sa.Column("tool_name", sa.Text()),
        sa.Column("request_model", sa.Text()),
        sa.Column("response_model", sa.Text()),
        sa.Column("prompt_name", sa.Text()),
        sa.Column("prompt_version", sa.Text()),
        sa.Column("input_tokens", sa.BigInteger()),
        sa.Column("output_tokens", sa.BigInteger()),
        sa.Column("body", Json(), nullable=False),
        sa.PrimaryKeyConstraint("trace_id", "span_id", "digest"),
    )


def _messages() -> None:
    op.create_table(
        "messages",
        sa.Column("trace_id", Id, nullable=False),
        sa.Column("digest", Id, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("body", Json()),
        sa.PrimaryKeyConstraint("trace_id", "digest"),
    )


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("session_id", Id, nullable=False),
        sa.Column("project", Id, server_default="", nullable=False),
        sa.Column("environment", Id, server_default="", nullable=False),
        sa.Column("fingerprint", Id, server_default="", nullable=False),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
        sa.Column("traces", Json()),
        sa.Column("measured", Json()),
        sa.Column("stored_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("session_id"),
    )


def _scores() -> None:
    op.create_table(
        "scores",
        sa.Column("trace_id", Id, nullable=False),
        sa.Column("evaluator", Id, nullable=False),
        sa.Column("evaluator_version", Id, nullable=False),
        sa.Column("target_id", Id, nullable=False),
        sa.Column("target_digest", Id, nullable=False),
        sa.Column("score_id", Id, nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("span_id", Id),
        sa.Column("blamed_span_id", Id),
        sa.Column("session_id", Id),
        sa.Column("project", Id, nullable=False),
        sa.Column("environment", Id, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("value", sa.Float()),
        sa.Column("label", sa.Text()),
        sa.Column("passed", sa.Boolean()),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("evidence", Json()),
        sa.Column("skip_reason", sa.Text()),
        sa.Column("error_type", sa.Text()),
        sa.Column("inclusion_probability", sa.Float(), nullable=False),
        sa.Column("cost_usd", sa.Float()),
        sa.Column("latency_s", sa.Float()),
        sa.Column("model", sa.Text()),
        sa.Column("prompt_name", sa.Text()),
        sa.Column("prompt_version", sa.Text()),
        sa.Column("profile_version", sa.Text()),
        sa.Column("event_time", UtcTime(), nullable=False),
        sa.Column("source_topic", Id),
        sa.Column("source_partition", sa.Integer()),
        sa.Column("source_offset", sa.BigInteger()),
        sa.Column("source_epoch", sa.Integer()),
        sa.Column("measured", sa.Boolean(), nullable=False),
        sa.Column("attributes", Json()),
        sa.Column("stored_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("trace_id", "evaluator", "evaluator_version", "target_id", "target_digest"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "scores_by_cost",
        "scores",
        ["stored_at"],
        unique=False,
        postgresql_where=sa.text("cost_usd > 0"),
        sqlite_where=sa.text("cost_usd > 0"),
    )
    op.create_index("scores_by_evaluator", "scores", ["evaluator", "event_time"], unique=False)
    op.create_index(
        "scores_by_session",
        "scores",
        ["session_id"],
        unique=False,
        postgresql_where=sa.text("session_id IS NOT NULL"),
        sqlite_where=sa.text("session_id IS NOT NULL"),
    )


def _evaluators() -> None:
    op.create_table(
        "evaluators",
        sa.Column("name", Id, nullable=False),
        sa.Column("current_version", Id, nullable=False),
        sa.Column("since", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def _requests() -> None:
    op.create_table(
        "requests",
        sa.Column("request_id", Id, nullable=False),
        sa.Column("trace_id", Id, nullable=False),
        sa.Column("evaluator", Id, nullable=False),
        sa.Column("evaluator_version", Id, nullable=False),
        sa.Column("source_topic", Id),
        sa.Column("source_partition", sa.Integer()),
        sa.Column("source_offset", sa.BigInteger()),
        sa.Column("source_epoch", sa.Integer()),
        sa.Column("created", UtcTime(), nullable=False),
        sa.Column("body", Json(), nullable=False),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_index("requests_by_trace", "requests", ["trace_id"], unique=False)


def _request_decisions() -> None:
    op.create_table(
        "request_decisions",
        sa.Column("trace_id", Id, nullable=False),
        sa.Column("evaluator", Id, nullable=False),
        sa.Column("evaluator_version", Id, nullable=False),
        sa.Column("target_id", Id, nullable=False),
        sa.Column("target_digest", Id, nullable=False),
        sa.Column("request_id", Id, nullable=False),
        sa.PrimaryKeyConstraint("trace_id", "evaluator", "evaluator_version", "target_id", "target_digest"),
        sqlite_with_rowid=False,
    )
    op.create_index("request_decisions_by_request", "request_decisions", ["request_id"], unique=False)


def _drift_events() -> None:
    op.create_table(
        "drift_events",
        sa.Column("seq", Serial, autoincrement=True, nullable=False),
        sa.Column("event_id", Id, nullable=False),
        sa.Column("segment_key", Id, nullable=False),
        sa.Column("project", Id, nullable=False),
        sa.Column("environment", Id, nullable=False),
        sa.Column("evaluator", Id, nullable=False),
        sa.Column("dimension", sa.Text()),
        sa.Column("dimension_value", sa.Text()),
        sa.Column("detector", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("detected_at", UtcTime(), nullable=False),
        sa.Column("changed_at", UtcTime()),
        sa.Column("before", sa.Float()),
        sa.Column("after", sa.Float()),
        sa.Column("statistic", sa.Float()),
        sa.Column("threshold", sa.Float()),
        sa.Column("observations", sa.BigInteger(), nullable=False),
        sa.Column("trace_id", Id, nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("details", Json()),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("event_id"),
    )
    op.create_index("drift_events_by_time", "drift_events", ["detected_at"], unique=False)


def _alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("seq", Serial, autoincrement=True, nullable=False),
        sa.Column("alert_id", Id, nullable=False),
        sa.Column("dedup_key", Id, nullable=False),
        sa.Column("rule", Id, nullable=False),
        sa.Column("segment_key", Id, nullable=False),
        sa.Column("project", Id, nullable=False),
        sa.Column("environment", Id, nullable=False),
        sa.Column("evaluator", Id, nullable=False),
        sa.Column("dimension", sa.Text()),
        sa.Column("dimension_value", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("previous_state", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("statistic", sa.Text(), nullable=False),
        sa.Column("value", sa.Float()),
        sa.Column("threshold", sa.Float()),
        sa.Column("samples", sa.BigInteger(), nullable=False),
        sa.Column("window_start", UtcTime()),
        sa.Column("window_end", UtcTime()),
        sa.Column("fired_at", UtcTime(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("notify", sa.Boolean(), nullable=False),
        sa.Column("body", Json(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("alert_id"),
    )
    op.create_index("alerts_by_time", "alerts", ["fired_at"], unique=False)


def _dead_letters() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("letter_id", Id, nullable=False),
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("source_topic", Id),
        sa.Column("source_partition", sa.Integer()),
        sa.Column("source_offset", sa.BigInteger()),
        sa.Column("source_epoch", sa.Integer()),
        sa.Column("digest", Id, nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text()),
        sa.Column("time", UtcTime(), nullable=False),
        sa.Column("payload", sa.Text()),
        sa.PrimaryKeyConstraint("letter_id"),
    )
    op.create_index("dead_letters_by_time", "dead_letters", ["time"], unique=False)


def _meta() -> None:
    op.create_table(
        "meta",
        sa.Column("key", Id, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )


def _positions() -> None:
    op.create_table(
        "positions",
        sa.Column("component", Id, nullable=False),
        sa.Column("topic", Id, nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("next_offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("component", "topic", "partition"),
    )


def _gaps() -> None:
    op.create_table(
        "gaps",
        sa.Column("component", Id, nullable=False),
        sa.Column("topic", Id, nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("from_offset", sa.BigInteger(), nullable=False),
        sa.Column("to_offset", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("time", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("component", "topic", "partition", "epoch", "from_offset"),
    )


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("component", Id, nullable=False),
        sa.Column("topic", Id, nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("starts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("component", "topic", "partition", "epoch", "offset"),
    )


def _monitor_partitions() -> None:
    op.create_table(
        "monitor_partitions",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partition"),
    )


def _monitor_state() -> None:
    op.create_table(
        "monitor_state",
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("kind", Id, nullable=False),
        sa.Column("key", Id, nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "kind", "key"),
    )


def _monitor_positions() -> None:
    op.create_table(
        "monitor_positions",
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("source_topic", Id, nullable=False),
        sa.Column("source_partition", sa.Integer(), nullable=False),
        sa.Column("source_epoch", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("partition", "source_topic", "source_partition", "source_epoch"),
    )


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", Serial, autoincrement=True, nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("destination", Id, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("dedup_id", Id, nullable=False),
        sa.Column("created", UtcTime(), nullable=False),
        sa.Column("next_at", UtcTime(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("finished", UtcTime()),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("kind", "destination", "dedup_id", name="outbox_once"),
    )
    op.create_index(
        "outbox_pending",
        "outbox",
        ["partition", "next_at"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
        sqlite_where=sa.text("state = 'pending'"),
    )


def _components() -> None:
    op.create_table(
        "components",
        sa.Column("component", Id, nullable=False),
        sa.Column("instance", Id, nullable=False),
        sa.Column("seen", UtcTime(), nullable=False),
        sa.Column("state", Json(), nullable=False),
        sa.PrimaryKeyConstraint("component", "instance"),
    )


def _judge_cache() -> None:
    op.create_table(
        "judge_cache",
        sa.Column("key", Id, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
