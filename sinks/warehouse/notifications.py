"""The outbox: notifications that wait to be sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import case, func, select, update

from .part import Part
from .records import OutboxRow
from .tables import outbox


class Notifications(Part):
    """Reading and settling the outbox."""

    def outbox_due(self, partitions: Sequence[int], now: datetime, limit: int) -> list[OutboxRow]:
        """Pending rows of these partitions whose turn has come, in order, at most `limit` of each destination.

        A destination gets its rows in order: one that waits for its next attempt holds back those behind it, so that a
        receiver that is down is asked once in a while and not once for each row.
        """
        c = outbox.c
        turn: dict[str, Any] = {"partition_by": (c.kind, c.destination), "order_by": c.id}
        waiting = (
            select(
                outbox,
                func.row_number().over(**turn).label("place"),
                func.max(case((c.next_at > now, 1), else_=0)).over(**turn).label("held_back"),
            )
            .where(c.state == "pending", c.partition.in_(partitions))
            .subquery()
        )
        due = (waiting.c.place <= limit, waiting.c.held_back == 0)
        query = select(waiting).where(*due).order_by(waiting.c.id)
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

    def outbox_depth(self) -> dict[str, int]:
        """Pending rows by destination."""
        c = outbox.c
        query = select(c.destination, func.count().label("pending")).where(c.state == "pending").group_by(c.destination)
        with self.database.read() as connection:
            return {row.destination: row.pending for row in connection.execute(query)}

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
