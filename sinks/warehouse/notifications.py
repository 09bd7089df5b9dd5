"""The outbox: notifications that wait to be sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select, update

from .part import Part
from .records import OutboxRow
from .tables import outbox


class Notifications(Part):
    """Reading and settling the outbox."""

    def outbox_due(self, partitions: Sequence[int], now: datetime, limit: int) -> list[OutboxRow]:
        """Pending rows of these partitions whose time has come, in order, at most `limit` of each destination: one
        that is dead for a day must not fill the list."""
        due = (
            select(
                outbox,
                func.row_number().over(partition_by=outbox.c.destination, order_by=outbox.c.id).label("place"),
            )
            .where(outbox.c.state == "pending", outbox.c.partition.in_(partitions), outbox.c.next_at <= now)
            .subquery()
        )
        query = select(due).where(due.c.place <= limit).order_by(due.c.id)
        with self.database.read() as connection:
            return [
                OutboxRow(
                    id=row["id"],
                    partition=row["partition"],
                    destination=row["destination"],
                    kind=row["kind"],
                    body=bytes(row["body"]),
                    dedup_id=row["dedup_id"],
                    attempts=row["attempts"],
                    created=row["created"],
                )
                for row in connection.execute(query).mappings()
            ]

    def outbox_delivered(self, row_id: int, now: datetime) -> None:
        """This one has arrived."""
        self._settle(row_id, state="delivered", finished=now, error=None)

    def outbox_failed(self, row_id: int, error: str, next_at: datetime, *, final: bool) -> None:
        """This attempt failed: try again at `next_at`, or, when `final`, never."""
        self._settle(
            row_id,
            state="failed" if final else "pending",
            attempts=outbox.c.attempts + 1,
            next_at=next_at,
            error=error,
            finished=next_at if final else None,
        )

    def _settle(self, row_id: int, **values: object) -> None:
        with self.database.write() as connection:
            connection.execute(
                update(outbox).where(outbox.c.id == row_id, outbox.c.state == "pending").values(**values)
            )
