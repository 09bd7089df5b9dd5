"""Drift events as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from streams.cli import console

if TYPE_CHECKING:
    from datetime import timedelta

    from schemas.drift_event import DriftEvent
    from schemas.measurement import Segment


def show_events(found: Sequence[DriftEvent], *, as_json: bool) -> None:
    """A table, or one JSON document a line."""
    if as_json:
        for event in found:
            console.emit_json(event)
        return
    if not found:
        console.note("no drift so far")
        return
    console.show_table(
        f"{len(found)} drift events",
        ["found", "changed", "segment", "detector", "change", "before", "after", "traces since", "what and why"],
        [
            [
                event.detected_at,
                changed_text(event),
                event.segment.key,
                event.detector,
                change_text(event),
                level_text(event.before, event.before_low, event.before_high),
                level_text(event.after, event.after_low, event.after_high),
                event.observations_after,
                said(event),
            ]
            for event in found
        ],
        right=["before", "after", "traces since"],
    )


def changed_text(event: DriftEvent) -> str:
    """When it changed, and within which interval."""
    if event.changed_at is None:
        return ""
    at = console.shown(event.changed_at)
    if event.changed_earliest is None or event.changed_latest is None:
        return at
    return f"{at} ({_apart(event.changed_earliest - event.changed_at)} to {_apart(event.changed_latest - event.changed_at)})"


def change_text(event: DriftEvent) -> str:
    """What kind of change, in which epoch; whether the size is told anew."""
    again = f", size told again ({event.revision})" if event.revision else ""
    return f"{event.change.replace('_', ' ')}, epoch {event.epoch}{again}"


def said(event: DriftEvent) -> str:
    """What the other columns do not say: what moved and why; the detector's own words where it knows no levels, or where they
    are those of a topic, which has no name."""
    in_words = event.after_low is None or event.kind == "embedding"
    own = [event.explanation] if in_words else [event.subject] if event.subject else []
    return "; ".join([*own, *([event.cause.explanation] if event.cause else [])])


def level_text(value: float | None, low: float | None, high: float | None) -> str:
    """A level with its interval."""
    if value is None:
        return ""
    return f"{value:.3g}" if low is None or high is None else f"{value:.3g} [{low:.3g}, {high:.3g}]"


def segment_text(segment: Segment) -> str:
    """A segment for people."""
    inside = f", {segment.dimension} = {segment.dimension_value}" if segment.dimension else ""
    return f"{segment.evaluator}{inside} ({segment.project}/{segment.environment})"


def _apart(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    sign, size = "-" if seconds < 0 else "+", abs(seconds)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if size >= 2 * length:
            return f"{sign}{size / length:.0f} {unit}"
    return f"{sign}{size:.0f} s"
