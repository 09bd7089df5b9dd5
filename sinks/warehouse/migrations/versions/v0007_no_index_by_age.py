"""Retention goes by the time of storing, which has an index of its own."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("traces_by_age", "traces")
