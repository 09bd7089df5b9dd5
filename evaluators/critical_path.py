"""The critical path of a trace: at every moment, the one span that the end of the trace waited for.

Walked from the end back to the start: of the spans under way at a moment, the one that ends last is on the path; before its
start its siblings are looked at, and inside it its children. A child may overlap its siblings, start before its parent and
outlive it (asynchronous work). Time of a span that none of its children covers is its own. The method is that of Jaeger's
"critical path" view, with overlaps clipped instead of dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from schemas.trace import Span, Trace


class _Reach(NamedTuple):
    """From when to when a span or anything below it was under way, in seconds from the start of the trace."""

    start: float
    end: float


class CriticalPath(NamedTuple):
    """`own_s`: seconds of the path that belong to each span by id; what nobody covers is in none. `wall_s`: the trace's."""

    own_s: Mapping[str, float]
    wall_s: float


def critical_path(trace: Trace) -> CriticalPath:
    """Who owns the wall time of a trace. Spans that form a cycle are taken as children of nobody."""
    tops = _tops(trace)
    order = _downwards(trace, tops)
    zero = min(span.start for span in trace.spans)
    times = {s.span_id: ((s.start - zero).total_seconds(), (s.end - zero).total_seconds()) for s in trace.spans}
    reach: dict[str, _Reach] = {}
    for span in reversed(order):
        start, end = times[span.span_id]
        below = [reach[child.span_id] for child in _children(trace, span) if child.span_id in reach]
        reach[span.span_id] = _Reach(
            min([start, *(r.start for r in below)]), max([start, end, *(r.end for r in below)])
        )
    wall = max(r.end for r in reach.values())
    own: dict[str, float] = {}
    todo: list[tuple[Span | None, float, float]] = [(None, 0.0, wall)]
    seen: set[str] = set()
    while todo:
        owner, low, high = todo.pop()
        children = tops if owner is None else [c for c in _children(trace, owner) if c.span_id in reach]
        gaps = _descend(children, reach, low, high, seen, todo)
        if owner is not None:
            start, end = times[owner.span_id]
            own[owner.span_id] = sum(max(0.0, min(b, end) - max(a, start)) for a, b in gaps)
    return CriticalPath(own, wall)


def _descend(
    children: Sequence[Span],
    reach: Mapping[str, _Reach],
    low: float,
    high: float,
    seen: set[str],
    todo: list[tuple[Span | None, float, float]],
) -> list[tuple[float, float]]:
    """Put the children on the path between two moments into `todo`; the stretches that none of them covers."""
    gaps: list[tuple[float, float]] = []
    now = high
    for child in sorted(children, key=lambda c: (-reach[c.span_id].end, reach[c.span_id].start, c.span_id)):
        start, end = reach[child.span_id]
        if now <= low:
            break
        if start >= now or end <= low or child.span_id in seen:
            continue
        seen.add(child.span_id)
        until, since = min(end, now), max(start, low)
        if until < now:
            gaps.append((until, now))
        todo.append((child, since, until))
        now = since
    if now > low:
        gaps.append((low, now))
    return gaps


def _children(trace: Trace, span: Span) -> Sequence[Span]:
    return trace.children.get(span.span_id, ())


def _tops(trace: Trace) -> list[Span]:
    tops = list(trace.children.get(None, ()))
    reached = {span.span_id for span in _downwards(trace, tops)}
    return tops + [span for span in trace.spans if span.span_id not in reached]


def _downwards(trace: Trace, tops: Sequence[Span]) -> list[Span]:
    """All spans, each after its parent; those of a cycle once."""
    order: list[Span] = []
    seen: set[str] = set()
    todo = list(tops)
    while todo:
        span = todo.pop()
        if span.span_id not in seen:
            seen.add(span.span_id)
            order.append(span)
            todo.extend(_children(trace, span))
    return order
