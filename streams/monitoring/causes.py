"""What explains a drift event: the labels that changed with it, and which of app, traffic and judge fits.

What requests are about is a factor even where nobody labels them: the users' words in some traces of either side are clustered
together (drift/topics.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from drift.cause import LEAST_TRACES, Sample, effect_of, explained, judged_anew
from drift.spread import evenly
from drift.topics import topics
from schemas.cause import CauseKind, Effect
from schemas.drift_event import DriftEvent
from schemas.settings import Settings
from sinks.warehouse import Warehouse
from sinks.warehouse.compare import Compared
from sinks.warehouse.explain import RELEASE_ATTRIBUTES

OF_SPANS = ("tool", "model", "prompt_name", "prompt_version", "agent", "session")
"""Dimensions that are no property of the traffic."""
MOST_VERDICTS = 20_000
MOST_READ = 200
"""Traces on either side whose texts are read, evenly spread."""
MOST_CHARS = 2_000


def with_cause(event: DriftEvent, warehouse: Warehouse, settings: Settings) -> DriftEvent:
    """The event as the warehouse explains it at this moment; as it is, where it names no time or no level."""
    if event.kind != "score" or event.changed_at is None or event.changed_at >= event.detected_at:
        return event
    watched = settings.monitor
    attributes = [n for n in watched.dimensions if n not in OF_SPANS and n != "user_id"]
    before, after = warehouse.around(
        event.segment,
        event.changed_at,
        event.detected_at,
        attributes=attributes,
        labelled_by=watched.traffic_labels,
    )
    kinds: dict[str, CauseKind] = dict.fromkeys(("model", "prompt_version", *RELEASE_ATTRIBUTES), "app")
    kinds |= dict.fromkeys(("judge_model", "evaluator_version"), "judge")
    kinds |= dict.fromkeys(("user_id", *attributes, *watched.traffic_labels), "traffic")
    known = {name for trace in (*before, *after) for name in trace.factors}
    cause = explained(
        _sample(before, known),
        _sample(after, known),
        {name: kind for name, kind in kinds.items() if name in known},
        [*_canaries(event, event.changed_at, warehouse, settings), *_requests(before, after, warehouse)],
    )
    labels = warehouse.label_changes(event.segment, event.changed_at, event.detected_at)
    return event.model_copy(update={"cause": cause, "labels_changed": tuple(labels)})


def _canaries(event: DriftEvent, changed: datetime, warehouse: Warehouse, settings: Settings) -> list[Effect]:
    """How far the verdicts of the event's judge on its canaries have moved since the change: the newest run on either side."""
    found = []
    for canary in settings.judge.canaries:
        if canary.evaluator != event.segment.evaluator:
            continue
        sides: tuple[dict[str, float], dict[str, float]] = ({}, {})
        stored = warehouse.scores(
            evaluator=canary.measured_as, status="scored", until=event.detected_at, current=False, limit=MOST_VERDICTS
        )
        for score in sorted(stored, key=lambda s: s.event_time):
            verdict = score.value if score.passed is None else float(score.passed)
            if verdict is not None:
                sides[score.event_time >= changed][score.trace_id] = verdict
        effect = judged_anew(canary.measured_as, *sides)
        found += [] if effect is None else [effect]
    return found


def _requests(before: Sequence[Compared], after: Sequence[Compared], warehouse: Warehouse) -> list[Effect]:
    """What other requests account for, by the topics of what users said."""
    if min(len(before), len(after)) < LEAST_TRACES:
        return []
    sides = [_read(side, warehouse) for side in (before, after)]
    named = topics([text for side in sides for _, text in side]) if min(map(len, sides)) >= LEAST_TRACES else None
    if named is None or len(set(named)) < 2:
        return []
    middle = len(sides[0])
    samples = [
        Sample([score for score, _ in side], {"requests": part})
        for side, part in zip(sides, (named[:middle], named[middle:]), strict=True)
    ]
    return [effect_of("requests", "traffic", *samples)]


def _read(side: Sequence[Compared], warehouse: Warehouse) -> list[tuple[float, str]]:
    """Scores of some traces and what users said in them; those in which nobody said anything are left out."""
    chosen = [side[i] for i in evenly(len(side), MOST_READ)]
    traces = warehouse.traces([compared.trace_id for compared in chosen])
    texts = {
        trace_id: " ".join(m.content for m in trace.messages.values() if m.role == "user")[:MOST_CHARS]
        for trace_id, trace in traces.items()
    }
    return [(c.score, text) for c in chosen if (text := texts.get(c.trace_id, "").strip())]


def _sample(side: Sequence[Compared], names: set[str]) -> Sample:
    factors = {name: [trace.factors.get(name, "") for trace in side] for name in names}
    return Sample([trace.score for trace in side], factors)
