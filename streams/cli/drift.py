"""`evalstream drift`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli import console, options

if TYPE_CHECKING:
    from schemas.measurement import Segment


def drift(
    evaluator: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of this evaluator.", show_default=False)
    ] = None,
    limit: options.Limit = 50,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Show the changes that detectors found, the newest first.

    Example: evalstream drift --evaluator refusal
    """
    from streams.cli.reading import reading

    with reading(config, data) as warehouse:
        found = [numbered.record for numbered in warehouse.drift_events(evaluator=evaluator, limit=limit)]
    if as_json:
        for event in found:
            console.emit_json(event)
        return
    if not found:
        console.note("no drift so far")
        return
    console.show_table(
        f"{len(found)} drift events",
        ["found", "changed", "segment", "detector", "before", "after", "traces", "explanation"],
        [
            [
                event.detected_at,
                event.changed_at,
                segment_text(event.segment),
                event.detector,
                event.before,
                event.after,
                event.observations,
                event.explanation,
            ]
            for event in found
        ],
        right=["before", "after", "traces"],
    )


def segment_text(segment: Segment) -> str:
    """A segment for people."""
    inside = f", {segment.dimension} = {segment.dimension_value}" if segment.dimension else ""
    return f"{segment.evaluator}{inside} ({segment.project}/{segment.environment})"
