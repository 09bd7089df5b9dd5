"""Positions know the last record they count, and starts are counted by ranges of offsets."""

import sqlalchemy as sa
from alembic import op

from sinks.warehouse.types import Id

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("positions", sa.Column("digest", Id))
    op.execute("DELETE FROM attempts")
    op.add_column("attempts", sa.Column("through", sa.BigInteger(), server_default="0", nullable=False))
