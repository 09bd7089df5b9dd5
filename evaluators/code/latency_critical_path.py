"""Type `latency_critical_path`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import ClassVar

from pydantic import Field

from schemas.score import Evidence, TargetKind
from schemas.settings import Section
from schemas.trace import Span, SpanKind

from ..base import CodeEvaluator
from ..critical_path import CriticalPath, critical_path
from ..protocol import Answer, Skip, Target, Verdict

MAX_OWNERS = 3
MIN_PEERS = 2
MIN_PEER_S = 0.25  # what is quicker counts as this: a step of 5 s beside one of 1 ms is no five-thousandfold
_WORK: frozenset[SpanKind] = frozenset(("llm", "tool", "retrieval", "embedding", "other"))


class LatencyCriticalPathOptions(Section):
    max_share: float = Field(
        0.15, gt=0, le=1, description="A step may own this share of the working time on the critical path."
    )
    min_s: float = Field(5.0, ge=0, description="A step that owns less than this is never to blame.")
    min_ratio: float = Field(
        5.0, ge=1, description="A step is to blame when it is so many times slower than its peers in the trace."
    )
    usually_slow: tuple[str, ...] = Field((), description="Names of spans, tools or models that may be slow.")


class LatencyCriticalPath(CodeEvaluator[LatencyCriticalPathOptions]):
    """Names the step that owns most of a trace's wall time; fails where it is slow beside its peers.

    The label is the name of the step, the value its share of the wall time on the critical path, on which overlapping and
    asynchronous steps count once and children may outlive their parents. Time in which no step is at work (a user types, a
    queue waits) belongs to nobody and is left out of `max_share`. It fails when one step owns more than `max_share` of the
    working time and at least `min_s` seconds, and took `min_ratio` times as long as its peers: the other steps of its name,
    else of its kind, else all; a model call may take longer in proportion to the tokens it writes. A step without peers is
    named, not blamed: whether it is slower than on other days is for `latency_regression`.
    """

    Options = LatencyCriticalPathOptions
    targets: ClassVar[frozenset[TargetKind]] = frozenset(("trace",))
    default_target: ClassVar[TargetKind] = "trace"

    def evaluate(self, target: Target) -> Iterable[Answer]:
        trace = target.trace
        if any(span.end < span.start for span in trace.spans):
            return (Skip("negative_duration"),)
        path = critical_path(trace)
        if path.wall_s <= 0:
            return (Skip("no_duration"),)
        steps = [span for span in trace.spans if span.kind in _WORK]
        working_s = sum(path.own_s.get(span.span_id, 0.0) for span in steps)
        ranked = sorted(steps, key=lambda span: (-path.own_s.get(span.span_id, 0.0), span.span_id))
        if not ranked or working_s <= 0:
            return ()
        slow = next((s for s in ranked[:MAX_OWNERS] if self._is_to_blame(s, path, working_s, steps)), None)
        return (_owned(slow or ranked[0], ranked, path, working_s, steps, slow is not None),)

    def _is_to_blame(self, span: Span, path: CriticalPath, working_s: float, steps: Sequence[Span]) -> bool:
        options, own_s = self.options, path.own_s.get(span.span_id, 0.0)
        if own_s < options.min_s or own_s <= options.max_share * working_s:
            return False
        if {span.name, span.tool_name, span.request_model, span.response_model} & set(options.usually_slow):
            return False
        usual = usual_s(span, steps)
        return usual is not None and own_s >= options.min_ratio * usual


def usual_s(span: Span, steps: Sequence[Span]) -> float | None:
    """How long a step should take, going by its peers in the trace; None where it has none."""
    others = [
        s for s in steps if s.span_id != span.span_id and s.span_id != span.parent_id and s.parent_id != span.span_id
    ]
    peers = [s for s in others if s.kind == span.kind and s.name == span.name]
    if len(peers) < MIN_PEERS:
        peers = [s for s in others if s.kind == span.kind]
    if len(peers) < MIN_PEERS:
        peers = others
    if len(peers) < MIN_PEERS:
        return None
    usual = max(median(peer.duration_s for peer in peers), MIN_PEER_S)
    return usual * max(1.0, _written(span) / max(1.0, median(_written(peer) for peer in peers)))


def _written(span: Span) -> float:
    tokens = span.usage.output_tokens if span.usage is not None else None
    return float(min(max(tokens or 0, 0), 10**9))


def _owned(
    span: Span, ranked: Sequence[Span], path: CriticalPath, working_s: float, steps: Sequence[Span], is_slow: bool
) -> Verdict:
    own_s = path.own_s.get(span.span_id, 0.0)
    usual = usual_s(span, steps)
    share, of_work = own_s / path.wall_s, own_s / working_s
    explanation = (
        f"{span.name} owns {own_s:.1f} s, {share:.0%} of {path.wall_s:.1f} s wall time and {of_work:.0%} of the work"
    )
    if is_slow and usual is not None:
        explanation += f"; by its peers in this trace {usual:.1f} s would be usual"
    owners = [span, *(other for other in ranked[:MAX_OWNERS] if other.span_id != span.span_id)]
    return Verdict(
        value=share,
        label=span.name or span.kind,
        passed=not is_slow,
        explanation=explanation,
        evidence=tuple(
            Evidence(span_id=each.span_id, path="duration", quote=f"{path.own_s.get(each.span_id, 0.0):.3f} s")
            for each in (owners if is_slow else owners[:1])
        ),
        blamed_span_id=span.span_id if is_slow else None,
        attributes={"own_s": round(own_s, 6), "wall_s": round(path.wall_s, 6), "share_of_work": round(of_work, 6)},
    )
