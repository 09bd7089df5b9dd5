"""The traces on both sides of a change, with what is known of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, select

from schemas.measurement import Measurement, Segment

from .explain import MODEL, RELEASE_ATTRIBUTES, member
from .load import in_chunks
from .series import Series
from .tables import scores, spans, traces

MOST_TRACES = 2_000
"""On either side, those nearest to the change."""
BEFORE_FACTOR = 8
BEFORE_AT_LEAST, BEFORE_AT_MOST = timedelta(days=1), timedelta(days=30)
SEVERAL = " + "
"""Between the values of a trace that has more than one."""


class Compared(NamedTuple):
    """A trace, its score, and the values of the factors that are known of it."""

    trace_id: str
    score: float
    factors: Mapping[str, str]


class Comparisons(Series):
    """Reads for the cause of a change."""

    def around(
        self,
        segment: Segment,
        changed: datetime,
        until: datetime,
        *,
        attributes: Sequence[str] = (),
        labelled_by: Sequence[str] = (),
    ) -> tuple[list[Compared], list[Compared]]:
        """The measured traces of a segment before a change, and from it to `until` (included).

        Parameters
        ----------
        attributes : names in the traces' resources whose values are factors, besides the release attributes.
        labelled_by : evaluators whose labels are factors.

        Returns
        -------
        Factors are `model`, `prompt_version`, `user_id`, `judge_model`, `evaluator_version`, the attributes, and the evaluators by name.
        """
        span = min(max((until - changed) * BEFORE_FACTOR, BEFORE_AT_LEAST), BEFORE_AT_MOST)
        found = self.series(segment, since=changed - span, until=until + timedelta(microseconds=1))
        sides = (
            [m for m in found if m.event_time < changed][-MOST_TRACES:],
            [m for m in found if m.event_time >= changed][:MOST_TRACES],
        )
        names = [*RELEASE_ATTRIBUTES, *attributes]
        with self.database.read() as connection:
            ids = [m.trace_id for side in sides for m in side]
            known = {
                trace: {name: SEVERAL.join(sorted(values)) for name, values in factors.items()}
                for some in in_chunks(ids)
                for trace, factors in self._factors(connection, segment, some, names, labelled_by).items()
            }
        return _compared(sides[0], known), _compared(sides[1], known)

    def _factors(
        self, connection: Connection, segment: Segment, ids: list[str], names: Sequence[str], labelled_by: Sequence[str]
    ) -> dict[str, dict[str, set[str]]]:
        found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))

        def note(trace: str, **values: object) -> None:
            for name, value in values.items():
                if value is not None:
                    found[trace][name].add(str(value))

        of_spans = select(spans.c.trace_id, MODEL, spans.c.prompt_version).where(
            spans.c.trace_id.in_(ids), spans.c.shown
        )
        for trace, model, version in connection.execute(of_spans.distinct()):
            note(trace, model=model, prompt_version=version)
        columns = [member(self.database, traces.c.resource, name) for name in names]
        of_traces = select(traces.c.trace_id, traces.c.user_id, *columns).where(traces.c.trace_id.in_(ids))
        for trace, user, *values in connection.execute(of_traces):
            note(trace, user_id=user, **dict(zip(names, values, strict=True)))
        of_scores = select(
            scores.c.trace_id, scores.c.evaluator, scores.c.evaluator_version, scores.c.model, scores.c.label
        ).where(
            scores.c.trace_id.in_(ids),
            scores.c.evaluator.in_([segment.evaluator, *labelled_by]),
            scores.c.status == "scored",
            scores.c.measured,
        )
        for trace, evaluator, version, model, label in connection.execute(of_scores):
            if evaluator == segment.evaluator:
                note(trace, evaluator_version=version, judge_model=model)
            else:
                note(trace, **{evaluator: label})
        return found


def _compared(side: Iterable[Measurement], known: Mapping[str, Mapping[str, str]]) -> list[Compared]:
    scored = ((m.trace_id, m.value if m.passed is None else float(m.passed)) for m in side)
    return [Compared(trace_id, score, known.get(trace_id, {})) for trace_id, score in scored if score is not None]
