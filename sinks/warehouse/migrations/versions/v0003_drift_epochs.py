"""Drift events with intervals, epochs, revisions and causes."""

import sqlalchemy as sa
from alembic import op

from sinks.warehouse.types import Id, Json, UtcTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in (
        sa.Column("change", sa.Text(), nullable=False, server_default="new"),
        sa.Column("changed_earliest", UtcTime()),
        sa.Column("changed_latest", UtcTime()),
        sa.Column("before_low", sa.Float()),
        sa.Column("before_high", sa.Float()),
        sa.Column("after_low", sa.Float()),
        sa.Column("after_high", sa.Float()),
        sa.Column("observations_after", sa.BigInteger()),
        sa.Column("epoch", sa.BigInteger(), nullable=False, server_default="1"),
        sa.Column("revision", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("revises", Id),
        sa.Column("subject", sa.Text()),
        sa.Column("labels_changed", Json()),
        sa.Column("cause", Json()),
    ):
        op.add_column("drift_events", column)
