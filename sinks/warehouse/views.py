"""The views that others rely on: `v_spans`, `v_scores_current` and `v_coverage`. They hold no data and are made anew on a change."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from .database import Dialect

_SPAN_COLUMNS = ("span_id", "parent_id", "name", "kind", "digest", '"start"', '"end"', "duration_s", "status")
_SPAN_TEXTS = ("provider", "tool_set", "tool_call_id")
_SPAN_FLAGS = ("remote_parent", "truncated")
_SPAN_LISTS = ("events", "findings", "finish_reasons", "documents")
_SPAN_LATE_COLUMNS = (
    "error_type",
    "agent_name",
    "request_model",
    "response_model",
    "prompt_name",
    "prompt_version",
    "tool_name",
    "input_tokens",
    "output_tokens",
)

_SCORE_COLUMNS = (
    "score_id",
    "trace_id",
    "target",
    "target_id",
    "span_id",
    "blamed_span_id",
    "session_id",
    "project",
    "environment",
    "evaluator",
    "evaluator_version",
    "kind",
    "target_digest",
    "revision",
    "status",
    "value",
    "label",
    "passed",
    "explanation",
    "evidence",
    "skip_reason",
    "error_type",
    "inclusion_probability",
    "cost_usd",
    "latency_s",
    "model",
    "prompt_name",
    "prompt_version",
    "profile_version",
    "event_time",
    "source_topic",
    "source_partition",
    "source_offset",
    "source_epoch",
    "measured",
    "attributes",
    "stored_at",
)

# A row is current when its version is the evaluator's and its digest is what its target has now. Joins, not
# subqueries, so that a planner may choose between looking up and hashing. A person's word is current until the same
# person's next one on the same target.
_CURRENT = """
FROM scores s
LEFT JOIN evaluators e ON e.name = s.evaluator
LEFT JOIN traces t ON t.trace_id = s.trace_id
LEFT JOIN spans p ON p.trace_id = s.trace_id AND p.span_id = s.target_id AND p.digest = s.target_digest
LEFT JOIN sessions n ON n.session_id = s.session_id
WHERE (
  s.kind <> 'human'
  AND s.evaluator_version = e.current_version
  AND (
    (s.target = 'trace' AND s.target_digest = t.fingerprint)
    OR (s.target = 'span' AND (p.shown OR s.target_digest = t.fingerprint))
    OR (s.target = 'session' AND s.target_digest = n.fingerprint)
  )
) OR (
  s.kind = 'human'
  AND NOT EXISTS (
    SELECT 1 FROM scores h
    WHERE h.trace_id = s.trace_id AND h.evaluator = s.evaluator AND h.target_id = s.target_id AND h.kind = 'human'
      AND (h.event_time, h.evaluator_version, h.target_digest) > (s.event_time, s.evaluator_version, s.target_digest)
  )
)"""

_SQLITE_MESSAGES = """(
  SELECT json_group_array(json(found.message)) FROM (
    SELECT json_patch(json_object('digest', m.digest, 'role', m.role, 'content', m.content), coalesce(m.body, '{{}}'))
      AS message
    FROM json_each(s.body, '$.{field}') d JOIN messages m ON m.trace_id = s.trace_id AND m.digest = d.value
    WHERE m.role <> 'tools' ORDER BY d.key
  ) found
) AS {field}"""

_POSTGRES_MESSAGES = """coalesce((
  SELECT jsonb_agg(
    jsonb_build_object('digest', m.digest, 'role', m.role, 'content', m.content) || coalesce(m.body::jsonb, '{{}}')
    ORDER BY d.place)
  FROM json_array_elements_text(s.body->'{field}') WITH ORDINALITY AS d(digest, place)
  JOIN messages m ON m.trace_id = s.trace_id AND m.digest = d.digest AND m.role <> 'tools'
), '[]'::jsonb) AS {field}"""


_COVERAGE = """
SELECT s.project, s.environment, s.evaluator, p.tool_name, s.model, s.prompt_name, s.prompt_version, s.status,
  coalesce(s.skip_reason, s.error_type) AS reason, count(*) AS decisions
FROM v_scores_current s
LEFT JOIN spans p ON p.trace_id = s.trace_id AND p.span_id = s.span_id AND p.shown
WHERE s.kind <> 'human'
GROUP BY s.project, s.environment, s.evaluator, p.tool_name, s.model, s.prompt_name, s.prompt_version, s.status,
  coalesce(s.skip_reason, s.error_type)"""


def view_sql(dialect: Dialect) -> Mapping[str, str]:
    """The SELECT of each view."""
    return {"v_spans": _spans(dialect), "v_scores_current": _scores(dialect), "v_coverage": _COVERAGE}


def create_views(connection: Connection, dialect: Dialect) -> None:
    for name, sql in view_sql(dialect).items():
        connection.exec_driver_sql(f"CREATE VIEW {name} AS {sql}")


def drop_views(connection: Connection) -> None:
    for name in ("v_coverage", "v_spans", "v_scores_current"):
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")


def _scores(dialect: Dialect) -> str:
    build = "json_object" if dialect == "sqlite" else "json_build_object"
    source = (
        f"CASE WHEN s.source_topic IS NOT NULL THEN {build}('topic', s.source_topic, 'partition', s.source_partition, "
        "'offset', s.source_offset, 'epoch', s.source_epoch) END AS source"
    )
    columns = ", ".join(f"s.{name}" for name in _SCORE_COLUMNS)
    return f"SELECT 1 AS schema_version, {columns}, {source} {_CURRENT}"


def _spans(dialect: Dialect) -> str:
    fields = _sqlite_fields() if dialect == "sqlite" else _postgres_fields()
    messages = _SQLITE_MESSAGES if dialect == "sqlite" else _POSTGRES_MESSAGES
    columns = [
        "s.trace_id",
        *(f"t.{name}" for name in ("session_id", "user_id", "project", "environment")),
        *(f"s.{name}" for name in (*_SPAN_COLUMNS, *_SPAN_LATE_COLUMNS)),
        *fields,
        *(messages.format(field=name) for name in ("input_messages", "output_messages")),
    ]
    return f"SELECT {', '.join(columns)} FROM spans s JOIN traces t ON t.trace_id = s.trace_id WHERE s.shown"  # noqa: S608


def _sqlite_fields() -> list[str]:
    return [
        *(f"json_extract(s.body, '$.{name}') AS {name}" for name in _SPAN_TEXTS),
        "json_extract(s.body, '$.time_to_first_token_s') AS time_to_first_token_s",
        "coalesce(json_extract(s.body, '$.status_message'), '') AS status_message",
        *(f"coalesce(json_extract(s.body, '$.{name}'), 0) AS {name}" for name in _SPAN_FLAGS),
        *(f"coalesce(s.body -> '$.{name}', '[]') AS {name}" for name in _SPAN_LISTS),
        "coalesce(s.body -> '$.attributes', '{}') AS attributes",
        *(f"s.body -> '$.{name}' AS {name}" for name in ("usage", "arguments", "result")),
        "coalesce((SELECT m.body FROM messages m WHERE m.trace_id = s.trace_id AND m.role = 'tools' "
        "AND m.digest = json_extract(s.body, '$.tool_set')), '[]') AS tool_definitions",
    ]


def _postgres_fields() -> list[str]:
    return [
        *(f"s.body->>'{name}' AS {name}" for name in _SPAN_TEXTS),
        "(s.body->>'time_to_first_token_s')::double precision AS time_to_first_token_s",
        "coalesce(s.body->>'status_message', '') AS status_message",
        *(f"coalesce((s.body->>'{name}')::boolean, false) AS {name}" for name in _SPAN_FLAGS),
        *(f"coalesce((s.body->'{name}')::jsonb, '[]'::jsonb) AS {name}" for name in _SPAN_LISTS),
        "coalesce((s.body->'attributes')::jsonb, '{}'::jsonb) AS attributes",
        *(f"(s.body->'{name}')::jsonb AS {name}" for name in ("usage", "arguments", "result")),
        "coalesce((SELECT m.body::jsonb FROM messages m WHERE m.trace_id = s.trace_id AND m.role = 'tools' "
        "AND m.digest = s.body->>'tool_set'), '[]'::jsonb) AS tool_definitions",
    ]
