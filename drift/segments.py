"""Which segments a trace belongs to, and its scores as one measurement per (trace, evaluator, segment).

Segments are marginal: the evaluator alone, and with each declared dimension alone. A combination of dimensions makes
segments only where it is listed. Spans of one trace are dependent; ten of them counted as ten observations raise
false alarms about as often as ten times the promise, so each segment sees one number per trace.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product

from schemas.ids import plain_digest
from schemas.judge_request import Dimensions
from schemas.measurement import Measurement, Outcome, Segment
from schemas.score import DecisionKey, Score
from schemas.settings import MonitorSettings
from schemas.trace import Span, Trace

MAX_VALUE_CHARS = 120
MAX_VALUES_PER_DIMENSION = 64
MAX_COMBINATIONS = 256
SEGMENTS_REMEMBERED = 16_384
OTHER = "other"
JOINT = "+"


def dimension_names(settings: MonitorSettings) -> tuple[str, ...]:
    """All dimensions that must be known of a trace: those declared, and those only in a cross."""
    return tuple(dict.fromkeys([*settings.dimensions, *(name for cross in settings.crosses for name in cross)]))


def dimensions(trace: Trace, names: Sequence[str]) -> Dimensions:
    """The values of each dimension in a trace, and the spans each belongs to.

    `user_id` and `session` belong to the whole trace, `tool` to the spans of that tool. Any other dimension belongs to
    the whole trace where the trace has one value of it, else each value to its spans. A name that is none of
    `tool`, `model`, `prompt_name`, `prompt_version`, `agent`, `user_id`, `session` is looked up as a resource
    attribute, then as a span attribute.
    """
    found: dict[str, Mapping[str, tuple[str, ...] | None]] = {}
    for name in names:
        values = _whole(trace, name) or _by_span(trace, name)
        if values:
            found[name] = values
    return found


def measurements(
    scores: Sequence[Score],
    dims: Dimensions,
    names: Sequence[str],
    crosses: Sequence[Sequence[str]],
    vectors: Mapping[DecisionKey, tuple[float, ...]] | None = None,
) -> list[Measurement]:
    """The measurements of one trace, in an order that depends on nothing but the content.

    Parameters
    ----------
    scores : the new `measured` decisions of one trace; span evaluators have several.
    dims : of that trace, see `dimensions`. A score of a span counts for a value that lists the span or belongs to the
        whole trace; a score of the trace (or session) counts for every value in it.
    names : dimensions that make segments alone.
    crosses : combinations that make segments together, as dimension ``tool+model`` with value ``search+gpt-4o``.
    vectors : embeddings by decision.

    Returns
    -------
    Per segment: `value` is the mean of the values, `passed` whether all verdicts passed (None without a verdict),
    `label` the most frequent label, `vector` the mean of the vectors. Decisions that failed or were skipped give a measurement only to a segment
    without a scored one.
    """
    by_evaluator: dict[str, list[Score]] = {}
    for score in sorted(scores, key=lambda s: s.key):
        by_evaluator.setdefault(score.evaluator, []).append(score)
    combinations = list(_combinations(dims, names, crosses))
    found = []
    for evaluator in sorted(by_evaluator):
        own = by_evaluator[evaluator]
        found.append(_measurement(own, None, None, vectors or {}))
        for dimension, value, spans in combinations:
            inside = own if spans is None else [s for s in own if s.target != "span" or s.span_id in spans]
            if inside:
                found.append(_measurement(inside, dimension, value, vectors or {}))
    return found


def bounded(value: str) -> str:
    """`value` at a bounded length; two long values that differ stay different."""
    value = value.replace("\x00", "\ufffd")
    if len(value) <= MAX_VALUE_CHARS:
        return value
    return f"{value[: MAX_VALUE_CHARS - 9]}~{plain_digest(value)[:8]}"


def _whole(trace: Trace, name: str) -> dict[str, tuple[str, ...] | None]:
    """The value of a dimension that belongs to the whole trace."""
    if name == "user_id":
        value = trace.user_id
    elif name == "session":
        value = trace.session_id
    else:
        value = None if name in _OF_SPAN else _text(trace.resource.get(name))
    return {bounded(value): None} if value else {}


def _by_span(trace: Trace, name: str) -> dict[str, tuple[str, ...] | None]:
    read = _OF_SPAN.get(name) or (lambda _trace, span: _text(span.attributes.get(name)))
    spans: dict[str, list[str]] = {}
    for span in sorted(trace.spans, key=lambda s: s.span_id):
        value = read(trace, span)
        if value:
            spans.setdefault(bounded(value), []).append(span.span_id)
    if len(spans) > MAX_VALUES_PER_DIMENSION:
        most = sorted(spans, key=lambda v: (-len(spans[v]), v))
        for value in most[MAX_VALUES_PER_DIMENSION - 1 :]:
            spans.setdefault(OTHER, []).extend(spans.pop(value) if value != OTHER else [])
    whole = len(spans) == 1 and name != "tool"
    return {value: None if whole else tuple(sorted(spans[value])) for value in sorted(spans)}


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None


def _agent(trace: Trace, span: Span) -> str | None:
    """The agent at work: that of the span, else of the nearest span above it that names one."""
    seen = set()
    at: Span | None = span
    while at is not None and at.span_id not in seen:
        if at.agent_name:
            return at.agent_name
        seen.add(at.span_id)
        at = trace.by_id.get(at.parent_id) if at.parent_id else None
    return None


_OF_SPAN: Mapping[str, Callable[[Trace, Span], str | None]] = {
    "tool": lambda _, span: span.tool_name if span.kind == "tool" else None,
    "model": lambda _, span: (span.response_model or span.request_model) if span.kind == "llm" else None,
    "prompt_name": lambda _, span: span.prompt_name,
    "prompt_version": lambda _, span: span.prompt_version,
    "agent": _agent,
    "user_id": lambda *_: None,
    "session": lambda *_: None,
}


def _combinations(
    dims: Dimensions, names: Sequence[str], crosses: Sequence[Sequence[str]]
) -> Iterator[tuple[str, str, frozenset[str] | None]]:
    """(dimension, value, spans or None for the whole trace) of every segment besides the evaluator alone."""
    for name in dict.fromkeys(names):
        for value, spans in sorted(dims.get(name, {}).items()):
            yield name, value, None if spans is None else frozenset(spans)
    for cross in crosses:
        if len(cross) < 2:
            continue
        rows = product(*(sorted(dims.get(name, {}).items()) for name in cross))
        for count, row in enumerate(rows):
            if count >= MAX_COMBINATIONS:
                break
            yield JOINT.join(cross), JOINT.join(map(_escaped, (value for value, _ in row))), _common(s for _, s in row)


def _escaped(value: str) -> str:
    return value.replace("%", "%25").replace(JOINT, "%2B")


def _common(spans: Iterable[Sequence[str] | None]) -> frozenset[str] | None:
    listed = [frozenset(s) for s in spans if s is not None]
    return frozenset.intersection(*listed) if listed else None


@lru_cache(maxsize=SEGMENTS_REMEMBERED)
def _segment(project: str, environment: str, evaluator: str, dimension: str | None, value: str | None) -> Segment:
    return Segment(
        project=project, environment=environment, evaluator=evaluator, dimension=dimension, dimension_value=value
    )


def _measurement(
    scores: Sequence[Score],
    dimension: str | None,
    value: str | None,
    vectors: Mapping[DecisionKey, tuple[float, ...]],
) -> Measurement:
    first = scores[0]
    scored = [s for s in scores if s.status == "scored"]
    outcome: Outcome = "scored" if scored else "failed" if any(s.status == "failed" for s in scores) else "skipped"
    values = [s.value for s in scored if s.value is not None and math.isfinite(s.value)]
    verdicts = [s.passed for s in scored if s.passed is not None]
    return Measurement.model_construct(
        segment=_segment(first.project, first.environment, first.evaluator, dimension, value),
        trace_id=first.trace_id,
        outcome=outcome,
        value=math.fsum(values) / len(values) if values else None,
        passed=all(verdicts) if verdicts else None,
        label=_most_frequent([s.label for s in scored if s.label]),
        event_time=max(s.event_time for s in scores),
        inclusion_probability=min(s.inclusion_probability for s in scores),
        vector=_mean_vector([vectors[s.key] for s in scored if s.key in vectors]),
    )


def _most_frequent(labels: Sequence[str]) -> str | None:
    """The first in order of the alphabet where several are equally frequent."""
    counts = Counter(labels)
    return bounded(min(counts, key=lambda label: (-counts[label], label))) if counts else None


def _mean_vector(vectors: Sequence[tuple[float, ...]]) -> tuple[float, ...] | None:
    if not vectors or len({len(v) for v in vectors}) != 1:
        return vectors[0] if vectors else None
    return tuple(math.fsum(column) / len(vectors) for column in zip(*vectors, strict=True))
