"""What explains a drift event: the labels that changed with it, and which of app, traffic and judge fits."""

from __future__ import annotations

from collections.abc import Sequence

from drift.cause import Sample, explained
from schemas.cause import CauseKind
from schemas.drift_event import DriftEvent
from schemas.settings import MonitorSettings
from sinks.warehouse import Warehouse
from sinks.warehouse.compare import Compared
from sinks.warehouse.explain import RELEASE_ATTRIBUTES

OF_SPANS = ("tool", "model", "prompt_name", "prompt_version", "agent", "session")
"""Dimensions that are no property of the traffic."""


def with_cause(event: DriftEvent, warehouse: Warehouse, settings: MonitorSettings) -> DriftEvent:
    """The event as the warehouse explains it at this moment; as it is, where it names no time or no level."""
    if event.kind != "score" or event.changed_at is None or event.changed_at >= event.detected_at:
        return event
    attributes = [n for n in settings.dimensions if n not in OF_SPANS and n != "user_id"]
    before, after = warehouse.around(
        event.segment,
        event.changed_at,
        event.detected_at,
        attributes=attributes,
        labelled_by=settings.traffic_labels,
    )
    kinds: dict[str, CauseKind] = dict.fromkeys(("model", "prompt_version", *RELEASE_ATTRIBUTES), "app")
    kinds |= dict.fromkeys(("judge_model", "evaluator_version"), "judge")
    kinds |= dict.fromkeys(("user_id", *attributes, *settings.traffic_labels), "traffic")
    known = {name for trace in (*before, *after) for name in trace.factors}
    cause = explained(
        _sample(before, known), _sample(after, known), {name: kind for name, kind in kinds.items() if name in known}
    )
    labels = warehouse.label_changes(event.segment, event.changed_at, event.detected_at)
    return event.model_copy(update={"cause": cause, "labels_changed": tuple(labels)})


def _sample(side: Sequence[Compared], names: set[str]) -> Sample:
    factors = {name: [trace.factors.get(name, "") for trace in side] for name in names}
    return Sample([trace.score for trace in side], factors)
