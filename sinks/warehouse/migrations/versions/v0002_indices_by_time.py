"""Indices for what is asked by time, and vacuums that keep up with large tables."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

LARGE = ("traces", "spans", "messages", "scores")


def upgrade() -> None:
    op.create_index("traces_by_age", "traces", ["event_time"])
    op.create_index(
        "scores_of_people",
        "scores",
        ["trace_id", "evaluator", "target_id"],
        postgresql_where=sa.text("kind = 'human'"),
        sqlite_where=sa.text("kind = 'human'"),
    )
    if op.get_bind().dialect.name != "postgresql":
        return
    op.create_index("scores_by_time", "scores", ["event_time"])
    for table in LARGE:
        # By default a table is looked after when a fifth of it has changed: 10 million of 50 million rows.
        op.execute(
            f"ALTER TABLE {table} SET (autovacuum_vacuum_scale_factor = 0.02, "
            "autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02)"
        )
