"""`evalstream alerts`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from streams import exits
from streams.cli import console, options
from streams.cli.drift_table import segment_text

if TYPE_CHECKING:
    from schemas.alert import Alert

LOOK_EVERY_S = 1.0
SHOWN_WORST = 5


def alerts(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more.", show_default=False)] = False,
    rule: Annotated[str | None, typer.Option(metavar="NAME", help="Of this rule.", show_default=False)] = None,
    limit: options.Limit = 20,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Show alerts, the newest first, each with its worst traces.

    Example: evalstream alerts --follow
    """
    import time

    from schemas.errors import Unavailable
    from streams.cli.reading import reading

    with reading(config, data) as warehouse:
        found = warehouse.alerts(rule=rule, limit=limit)
        for numbered in reversed(found) if follow else found:
            _show(numbered.record, as_json)
        if not found and not follow and not as_json:
            console.note("no alert so far")
        last = max((numbered.seq for numbered in found), default=0)
        while follow:
            try:
                time.sleep(LOOK_EVERY_S)
                for numbered in warehouse.alerts(rule=rule, after=last, limit=None):
                    _show(numbered.record, as_json)
                    last = numbered.seq
            except Unavailable as error:
                console.note(f"waiting: {error}")
            except KeyboardInterrupt:
                raise typer.Exit(exits.INTERRUPTED) from None


def _show(alert: Alert, as_json: bool) -> None:
    if as_json:
        console.emit_json(alert)
        return
    from rich.text import Text

    colour = {"CRITICAL": "bold red", "WARNING": "yellow", "OK": "green"}.get(alert.state, "cyan")
    head = Text.assemble(
        (alert.state, colour),
        f"  {alert.rule}  {console.shown(alert.fired_at)}  (was {alert.previous_state}, {alert.reason})",
    )
    lines = [head, Text(f"  {_said(alert)}")]
    for change in alert.labels_changed:
        lines.append(Text(console.shown(f"changed: {change.label} from {change.before} to {change.after}")))
    for worst in alert.worst[:SHOWN_WORST]:
        place = f"  worst: {worst.trace_id}" + (f" span {worst.span_id}" if worst.span_id else "")
        lines.append(Text(f"{place}  {console.shown(worst.explanation)}"))
    console.terminal().print(*lines, sep="\n")


def _said(alert: Alert) -> str:
    if alert.summary:
        return " ".join(alert.summary.split())
    figures = f"{alert.statistic} {console.shown(alert.value)}, threshold {console.shown(alert.threshold)}"
    return f"{segment_text(alert.segment)}: {figures}, {alert.samples} traces"
