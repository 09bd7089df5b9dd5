"""Everything that was decided about one trace."""

from __future__ import annotations

from sqlalchemy import select

from schemas.judge_request import JudgeRequest

from .part import Part
from .read import CURRENT
from .records import Why
from .rows import read_key, read_score
from .tables import requests, scores, traces


class Explained(Part):
    """`evalstream why`."""

    def why(self, trace_id: str) -> Why | None:
        """The trace row, all its decisions, what was asked of judges and not answered yet, and what was passed over;
        None for a trace that is not stored and has no score."""
        with self.database.read() as connection:
            row = connection.execute(select(traces).where(traces.c.trace_id == trace_id)).mappings().first()
            of_trace = select(scores).where(scores.c.trace_id == trace_id)
            decisions = connection.execute(of_trace.order_by(scores.c.evaluator, scores.c.target_id, scores.c.revision))
            found = [read_score(score) for score in decisions.mappings()]
            keys = [CURRENT.c[c.name] for c in scores.primary_key]
            current = connection.execute(select(*keys).where(CURRENT.c.trace_id == trace_id)).mappings()
            asked = connection.execute(
                select(requests.c.body).where(requests.c.trace_id == trace_id).order_by(requests.c.created)
            )
            if row is None and not found:
                return None
            return Why(
                trace_id=trace_id,
                trace={name: row[name] for name in row if name not in ("passed_over", "measured")} if row else {},
                decisions=found,
                current=frozenset(read_key(key) for key in current),
                in_flight=[JudgeRequest.model_validate(body) for body in asked.scalars()],
                passed_over=dict((row["passed_over"] if row else None) or {}),
                measured=tuple((row["measured"] if row else None) or ()),
            )
