"""What is learned across traces, and the decisions that wait for it."""

import sqlalchemy as sa
from alembic import op

from sinks.warehouse.types import Id, Json, Serial, UtcTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

WAITING = sa.text("skip_reason = 'learning'")


def upgrade() -> None:
    op.create_table(
        "profiles",
        sa.Column("seq", Serial, autoincrement=True, nullable=False),
        sa.Column("project", Id, nullable=False),
        sa.Column("environment", Id, nullable=False),
        sa.Column("evaluator", Id, nullable=False),
        sa.Column("subject", Id, nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("version", Id, nullable=False),
        sa.Column("observations", sa.BigInteger(), nullable=False),
        sa.Column("body", Json(), nullable=False),
        sa.Column("learned_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint(
            "project", "environment", "evaluator", "subject", "partition", "number", name="profiles_by_subject"
        ),
    )
    op.create_index(
        "scores_put_off", "scores", ["stored_at"], unique=False, postgresql_where=WAITING, sqlite_where=WAITING
    )
