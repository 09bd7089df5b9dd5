"""How often a worker has begun at a position and not come past it."""

from __future__ import annotations

from sqlalchemy import delete

from .part import Part
from .tables import attempts

_BEGIN = (
    'INSERT INTO attempts ("component", "topic", "partition", "epoch", "offset", "starts") VALUES (?, ?, ?, ?, ?, 1) '
    'ON CONFLICT (component, topic, "partition", epoch, "offset") DO UPDATE SET starts = attempts.starts + 1 '
    "RETURNING starts"
)


class Attempts(Part):
    """Table `attempts`."""

    def begin_attempt(self, component: str, topic: str, partition: int, epoch: int, offset: int) -> int:
        """Say that work at `offset` begins; the number of starts there since it was last passed, this one included."""
        with self.database.write() as connection:
            row = connection.exec_driver_sql(self.database.sql(_BEGIN), (component, topic, partition, epoch, offset))
            return int(row.scalar_one())

    def end_attempts(self, component: str, topic: str, partition: int, offset: int | None = None) -> None:
        """The worker came past `offset`, or (None) past everything that it had begun in the partition."""
        with self.database.write() as connection:
            survived = delete(attempts).where(
                attempts.c.component == component, attempts.c.topic == topic, attempts.c.partition == partition
            )
            connection.execute(survived if offset is None else survived.where(attempts.c.offset == offset))
