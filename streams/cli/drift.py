"""`evalstream drift`: the changes on record; below it `backtest` and `plot`."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.cli import options
from streams.cli.drift_backtest import backtest
from streams.cli.drift_plot import plot
from streams.cli.drift_segments import segments
from streams.cli.drift_table import show_events

drift = typer.Typer(name="drift", invoke_without_command=True)
drift.command("backtest")(backtest)
drift.command("plot")(plot)
drift.command("segments")(segments)


@drift.callback()
def show(
    context: typer.Context,
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

    if context.invoked_subcommand is not None:
        return
    with reading(config, data) as warehouse:
        found = [numbered.record for numbered in warehouse.drift_events(evaluator=evaluator, limit=limit)]
    show_events(found, as_json=as_json)
