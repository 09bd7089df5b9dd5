"""Scores of the past as a series: one row a trace, as the monitor would measure it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, select

from schemas.measurement import Measurement, Segment

from .explain import dimensions_of, within
from .part import Part
from .tables import evaluators, scores


class Series(Part):
    """Reads for backtests and plots."""

    def scored_segments(self, *, evaluator: str | None = None) -> list[Segment]:
        """Every evaluator that has scored, in its project and environment, alone."""
        query = select(scores.c.project, scores.c.environment, scores.c.evaluator).where(scores.c.status == "scored")
        if evaluator is not None:
            query = query.where(scores.c.evaluator == evaluator)
        with self.database.read() as connection:
            rows = sorted(tuple(row) for row in connection.execute(query.distinct()))
        return [Segment(project=p, environment=env, evaluator=name) for p, env, name in rows]

    def series(
        self, segment: Segment, *, since: datetime | None = None, until: datetime | None = None
    ) -> list[Measurement]:
        """The traces of a segment in order of time, from `since` and before `until`.

        What was measured; where nothing ever was (`evalstream run` does not measure), the scores of the evaluator's
        current version. Of spans of one trace: the mean, whether all passed, the most frequent label.
        """
        current = select(evaluators.c.current_version).where(evaluators.c.name == segment.evaluator).scalar_subquery()
        measured = self._series(segment, scores.c.measured, since, until)
        return measured or self._series(segment, scores.c.evaluator_version == current, since, until)

    def _series(
        self, segment: Segment, chosen: ColumnElement[bool], since: datetime | None, until: datetime | None
    ) -> list[Measurement]:
        query = (
            select(
                scores.c.trace_id,
                scores.c.revision,
                scores.c.event_time,
                scores.c.value,
                scores.c.passed,
                scores.c.label,
                scores.c.inclusion_probability,
            )
            .where(
                scores.c.evaluator == segment.evaluator,
                scores.c.project == segment.project,
                scores.c.environment == segment.environment,
                scores.c.status == "scored",
                chosen,
                *([scores.c.event_time >= since] if since is not None else []),
                *([scores.c.event_time < until] if until is not None else []),
                *(within(self.database, name, value) for name, value in dimensions_of(segment)),
            )
            .order_by(scores.c.trace_id, scores.c.target_id)
        )
        with self.database.read() as connection:
            rows = connection.execute(query).all()
        found = [_measured(segment, list(of)) for _, of in groupby(rows, key=lambda row: row.trace_id)]
        return sorted(found, key=lambda m: (m.event_time, m.trace_id))


def _measured(segment: Segment, rows: Sequence[Any]) -> Measurement:
    newest = max(row.revision for row in rows)
    rows = [row for row in rows if row.revision == newest]
    values = [row.value for row in rows if row.value is not None]
    verdicts = [bool(row.passed) for row in rows if row.passed is not None]
    labels = Counter(row.label for row in rows if row.label)
    return Measurement.model_construct(
        segment=segment,
        trace_id=rows[0].trace_id,
        outcome="scored",
        value=math.fsum(values) / len(values) if values else None,
        passed=all(verdicts) if verdicts else None,
        label=min(labels, key=lambda label: (-labels[label], label)) if labels else None,
        event_time=max(row.event_time for row in rows),
        inclusion_probability=min(row.inclusion_probability for row in rows),
        vector=None,
    )
