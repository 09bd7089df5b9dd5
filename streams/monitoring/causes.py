"""What explains a drift event: the labels that changed with it, and which of app, traffic and judge fits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from drift.cause import Sample, explained, judged_anew
from schemas.cause import CauseKind, Effect
from schemas.drift_event import DriftEvent
from schemas.settings import Settings
from sinks.warehouse import Warehouse
from sinks.warehouse.compare import Compared
from sinks.warehouse.explain import RELEASE_ATTRIBUTES

OF_SPANS = ("tool", "model", "prompt_name", "prompt_version", "agent", "session")
"""Dimensions that are no property of the traffic."""
MOST_VERDICTS = 20_000


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
        _canaries(event, event.changed_at, warehouse, settings),
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


def _sample(side: Sequence[Compared], names: set[str]) -> Sample:
    factors = {name: [trace.factors.get(name, "") for trace in side] for name in names}
    return Sample([trace.score for trace in side], factors)
