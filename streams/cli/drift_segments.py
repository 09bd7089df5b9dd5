"""`evalstream drift segments`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli import console, options

if TYPE_CHECKING:
    from drift.suspects import Suspect


def segments(
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="T",
            help="Changes found since then count with their evidence. Default: a day before the newest.",
            show_default=False,
        ),
    ] = None,
    limit: options.Limit = 50,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Show which of the watched segments have moved, those with the most evidence first.

    One segment is told at c; k that move together at c / k each (e-d-BH).

    Example: evalstream drift segments --limit 20
    """
    from datetime import timedelta

    from drift.suspects import suspects
    from streams.cli.locate import locate
    from streams.cli.reading import moment, reading

    begin = moment(since, "--since")
    with reading(config, data) as warehouse:
        events = [numbered.record for numbered in warehouse.drift_events(since=begin, limit=None)]
        states = warehouse.monitor_states()
    if begin is None and events:
        newest = max(event.detected_at for event in events)
        events = [event for event in events if event.detected_at > newest - timedelta(days=1)]
    found = suspects(locate(config, data).settings.monitor, states, events)
    rows = [_row(one) for one in found[:limit]]
    if as_json:
        for row in rows:
            console.emit_json(row)
        return
    columns = ["segment", "detector", "evidence", "c", "found", "moved"]
    console.show_table(
        f"{sum(one.moved for one in found)} of {len(found)} segments have moved",
        columns,
        [[row[column] for column in columns] for row in rows],
        right=["evidence", "c"],
    )


def _row(one: Suspect) -> dict[str, Any]:
    return {
        "segment": one.key,
        "detector": one.detector,
        "evidence": one.evidence,
        "c": one.patience,
        "found": one.found,
        "moved": one.moved,
    }
