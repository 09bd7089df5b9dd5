"""How far each component has come in each partition, and what it could not read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, select

from .database import Database, insert_sql
from .part import Part
from .records import Position
from .tables import gaps, positions

_ADVANCE = insert_sql(
    positions,
    "ON CONFLICT (component, topic, partition) DO UPDATE SET epoch = excluded.epoch, "
    "next_offset = excluded.next_offset, digest = excluded.digest WHERE positions.epoch < excluded.epoch "
    "OR (positions.epoch = excluded.epoch AND positions.next_offset < excluded.next_offset)",
)
_RAISE = (
    'INSERT INTO positions ("component", "topic", "partition", "epoch", "next_offset") VALUES (?, ?, ?, 1, 0) '
    "ON CONFLICT (component, topic, partition) DO UPDATE SET epoch = positions.epoch + 1, next_offset = 0, "
    "digest = NULL "
    "RETURNING epoch"
)


class Positions(Part):
    """Positions and gaps."""

    def positions(self, component: str) -> dict[tuple[str, int], Position]:
        """The stored position of each (topic, partition) of a component."""
        with self.database.read() as connection:
            rows = connection.execute(select(positions).where(positions.c.component == component)).mappings()
            return {(row["topic"], row["partition"]): Position(**row) for row in rows}

    def write_positions(self, found: Sequence[Position]) -> None:
        """Move positions on, where nothing else is stored with them."""
        with self.database.write() as connection:
            advance(self.database, connection, found)

    def raise_epoch(self, component: str, topic: str, partition: int) -> int:
        """Begin a new epoch of a partition that was found deleted and made again; its offsets start at 0."""
        with self.database.write() as connection:
            row = connection.exec_driver_sql(self.database.sql(_RAISE), (component, topic, partition))
            return int(row.scalar_one())

    def write_gap(
        self,
        component: str,
        topic: str,
        partition: int,
        epoch: int,
        from_offset: int,
        to_offset: int,
        reason: str = "retention",
    ) -> None:
        """Put on record that the offsets from `from_offset` up to, not including, `to_offset` were never read."""
        row = (
            component,
            topic,
            partition,
            epoch,
            from_offset,
            to_offset,
            reason,
            self.database.time(datetime.now(UTC)),
        )
        with self.database.write() as connection:
            self.database.many(connection, insert_sql(gaps), [row])


def advance(database: Database, connection: Connection, found: Iterable[Position]) -> None:
    """Move positions on, never backwards within an epoch, nor to an older epoch."""
    ordered = sorted(found, key=lambda p: (p.component, p.topic, p.partition, p.epoch, p.next_offset))
    rows = [(p.component, p.topic, p.partition, p.epoch, p.next_offset, p.digest) for p in ordered]
    database.many(connection, _ADVANCE, rows)
