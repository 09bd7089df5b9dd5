"""Forgetting: tombstones, what retention and deletion look rows up by, and dead letters that were requeued."""

import sqlalchemy as sa
from alembic import op

from sinks.warehouse.types import Id, UtcTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tombstones",
        sa.Column("digest", Id, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("since", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    named = sa.text("user_id IS NOT NULL")
    op.create_index("traces_by_user", "traces", ["user_id"], postgresql_where=named, sqlite_where=named)
    op.create_index("traces_by_storing", "traces", ["stored_at"])
    op.add_column("dead_letters", sa.Column("requeued_at", UtcTime()))
    op.add_column("judge_cache", sa.Column("trace_id", Id))
    op.create_index("judge_cache_by_trace", "judge_cache", ["trace_id"])
    op.create_index("judge_cache_by_age", "judge_cache", ["created"])
