"""What judges answered before, and what they have cost."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import func, select

from .database import insert_sql
from .part import Part
from .tables import judge_cache, scores
from .tombstones import buried_traces


class Judging(Part):
    """Table `judge_cache`, and the budget."""

    def cached_verdict(self, key: str) -> bytes | None:
        """The answer stored under a key."""
        with self.database.read() as connection:
            found = connection.execute(select(judge_cache.c.body).where(judge_cache.c.key == key)).scalar()
        return None if found is None else bytes(found)

    def cache_verdict(self, key: str, body: bytes, trace_id: str | None = None) -> None:
        """Keep an answer, and of which trace it was; the first under a key stays, and none of a deleted trace."""
        with self.database.write() as connection:
            if trace_id is not None and buried_traces(self.database, connection, [trace_id]):
                return
            row = (key, body, self.database.time(datetime.now(UTC)), trace_id)
            self.database.many(connection, insert_sql(judge_cache), [row])

    def judge_cost_since(self, since: datetime) -> float:
        """USD spent on the scores stored since then, of all workers."""
        query = select(func.coalesce(func.sum(scores.c.cost_usd), 0.0)).where(
            scores.c.stored_at >= since, scores.c.cost_usd > 0
        )
        with self.database.read() as connection:
            return float(connection.execute(query).scalar_one())
