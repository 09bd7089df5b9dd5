"""What explains an alert: the traces that pulled the statistic, and the labels that changed with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, case, exists, func, select, type_coerce
from sqlalchemy.sql.elements import SQLColumnExpression

from schemas.alert import LabelChange, WorstTrace
from schemas.measurement import Segment

from .database import Database
from .part import Part
from .tables import scores, spans, traces

JOINT = "+"
OTHER = "other"
BEFORE_FACTOR = 4
BEFORE_AT_LEAST = timedelta(hours=1)
RELEASE_ATTRIBUTES = ("service.version", "deployment.name", "deployment.id")

MODEL = func.coalesce(spans.c.response_model, spans.c.request_model)
_SPAN_VALUES: dict[str, Any] = {
    "model": MODEL,
    "prompt_name": spans.c.prompt_name,
    "prompt_version": spans.c.prompt_version,
}
_TRACE_VALUES: dict[str, Any] = {"user_id": traces.c.user_id, "session": traces.c.session_id}


class Explanations(Part):
    """Reads for the text of an alert."""

    def worst(
        self,
        segment: Segment,
        start: datetime,
        end: datetime,
        limit: int = 5,
        below: bool = True,
        failed_only: bool = False,
    ) -> list[WorstTrace]:
        """The measured traces of a segment and window that pulled most: those that did not pass first, then by value,
        the lowest first when `below`, else the highest. One row a trace. `failed_only` leaves out what passed."""
        direction = scores.c.value.asc() if below else scores.c.value.desc()
        order = (case((scores.c.passed.is_(False), 0), (scores.c.passed.is_(None), 1), else_=2), direction)
        ranked = (
            select(
                scores.c.trace_id,
                func.coalesce(scores.c.blamed_span_id, scores.c.span_id).label("span_id"),
                scores.c.value,
                scores.c.passed,
                scores.c.explanation,
                func.row_number()
                .over(partition_by=scores.c.trace_id, order_by=(*order, scores.c.target_id))
                .label("place"),
            )
            .where(
                scores.c.evaluator == segment.evaluator,
                scores.c.event_time.between(start, end),
                scores.c.project == segment.project,
                scores.c.environment == segment.environment,
                scores.c.measured,
                *(within(self.database, name, value) for name, value in dimensions_of(segment)),
            )
            .subquery()
        )
        by_value = ranked.c.value.asc() if below else ranked.c.value.desc()
        failing_first = case((ranked.c.passed.is_(False), 0), (ranked.c.passed.is_(None), 1), else_=2)
        first = ranked.c.place == 1
        wanted = first & ranked.c.passed.is_(False) if failed_only else first
        query = select(ranked).where(wanted).order_by(failing_first, by_value, ranked.c.trace_id)
        with self.database.read() as connection:
            return [
                WorstTrace(
                    trace_id=row["trace_id"], span_id=row["span_id"], value=row["value"], explanation=row["explanation"]
                )
                for row in connection.execute(query.limit(limit)).mappings()
            ]

    def label_changes(self, segment: Segment, window_start: datetime, window_end: datetime) -> list[LabelChange]:
        """Labels whose most frequent value in the window is another than before it.

        Before: four windows back, at least an hour. Labels: the model that answered, the prompt version, and what the
        resource says of the release. A label without a value on either side says nothing and is left out.
        """
        before = max((window_end - window_start) * BEFORE_FACTOR, BEFORE_AT_LEAST)
        found = []
        with self.database.read() as connection:
            for label, most in _labels(self.database, connection, segment):
                earlier, now = most(window_start - before, window_start), most(window_start, window_end)
                if earlier is not None and now is not None and earlier != now:
                    found.append(LabelChange(label=label, before=earlier, after=now))
        return found


def member(database: Database, column: Any, *path: str) -> SQLColumnExpression[Any]:
    """The text of a member inside a JSON column; keys may hold dots."""
    plain = type_coerce(column, Text)
    if database.dialect == "sqlite":
        return func.json_extract(plain, "$" + "".join(f'."{key}"' for key in path))
    return func.json_extract_path_text(plain, *path)


def dimensions_of(segment: Segment) -> list[tuple[str, str]]:
    """The (dimension, value) pairs of a segment, as `drift.segments` wrote them; none for what cannot be looked up."""
    if segment.dimension is None or segment.dimension_value is None or segment.dimension_value.split("@")[0] == OTHER:
        return []
    names, values = segment.dimension.split(JOINT), segment.dimension_value.split(JOINT)
    if len(names) != len(values):
        return [(segment.dimension, segment.dimension_value)]
    if len(names) > 1:
        values = [value.replace("%2B", JOINT).replace("%25", "%") for value in values]
    return list(zip(names, values, strict=True))


def within(database: Database, name: str, value: str) -> ColumnElement[bool]:
    """The score belongs to this value of a dimension."""
    of_trace = traces.c.trace_id == scores.c.trace_id
    of_span = (spans.c.trace_id == scores.c.trace_id) & spans.c.shown
    if name in _TRACE_VALUES:
        return exists().where(of_trace, _TRACE_VALUES[name] == value)
    if name == "tool":
        same = (scores.c.span_id.is_(None)) | (spans.c.span_id == scores.c.span_id)
        return exists().where(of_span, same, spans.c.tool_name == value)
    if name == "agent":  # spans below an agent's are its own, too: which, only a walk of the tree would tell
        return exists().where(of_span, spans.c.agent_name == value)
    if name in _SPAN_VALUES:
        found = _SPAN_VALUES[name]
        several = select(func.count(found.distinct()) > 1).where(of_span).correlate(scores).scalar_subquery()
        same = scores.c.span_id.is_(None) | (spans.c.span_id == scores.c.span_id) | ~several
        return exists().where(of_span, same, found == value)
    in_resource = member(database, traces.c.resource, name) == value
    in_span = member(database, spans.c.body, "attributes", name) == value
    return exists().where(of_trace, in_resource) | exists().where(of_span, in_span)


Most = Callable[[datetime, datetime], str | None]


def _labels(database: Database, connection: Connection, segment: Segment) -> list[tuple[str, Most]]:
    def most(value: Any, *, of_spans: bool) -> Most:
        def read(start: datetime, end: datetime) -> str | None:
            query = select(value, func.count()).where(
                traces.c.project == segment.project,
                traces.c.environment == segment.environment,
                traces.c.event_time >= start,
                traces.c.event_time < end,
                value.is_not(None),
            )
            if of_spans:
                query = query.where(spans.c.trace_id == traces.c.trace_id, spans.c.shown)
            first = connection.execute(query.group_by(value).order_by(func.count().desc(), value).limit(1)).first()
            return None if first is None else str(first[0])

        return read

    return [
        ("model", most(MODEL, of_spans=True)),
        ("prompt_version", most(spans.c.prompt_version, of_spans=True)),
        *((name, most(member(database, traces.c.resource, name), of_spans=False)) for name in RELEASE_ATTRIBUTES),
    ]
