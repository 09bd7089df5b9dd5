"""`evalstream warehouse`."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.cli import console, options

warehouse = typer.Typer(help="The SQL warehouse.", no_args_is_help=True)


@warehouse.command("migrate")
def migrate(config: options.Config = None, data: options.Data = None, as_json: options.Json = False) -> None:
    """Bring tables and views up to date. Safe to repeat, and while workers run.

    Example: EVALSTREAM_WAREHOUSE_URL=postgresql+psycopg://me@db/evalstream evalstream warehouse migrate
    """
    from sqlalchemy import make_url

    from sinks.warehouse import Warehouse
    from streams.cli.locate import locate

    found = locate(config, data)
    opened = Warehouse.open(found.settings.warehouse)
    try:
        opened.migrate()
    finally:
        opened.close()
    url = make_url(found.settings.warehouse.url).render_as_string(hide_password=True)
    if as_json:
        console.emit_json({"warehouse": url, "migrated": True})
    else:
        console.note(f"{url} is up to date")


@warehouse.command("prune")
def prune(
    older_than: Annotated[
        str, typer.Option(metavar="AGE", help="30d, 12h, 2w: since a trace was first stored.", show_default=False)
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.", show_default=False)] = False,
    keep_scores: Annotated[
        bool,
        typer.Option("--keep-scores", help="Keep the rows of `scores`, without the texts.", show_default=False),
    ] = False,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Delete traces that are older than an age, with all that belongs to them. Safe while workers run.

    Workers do the same once an hour by the setting `warehouse.retention_days`.

    Example: evalstream warehouse prune --older-than 30d --dry-run
    """
    from datetime import UTC, datetime

    from streams.cli.locate import locate
    from streams.cli.reading import age
    from streams.opening import open_existing

    before = datetime.now(UTC) - age(older_than, "--older-than")
    opened = open_existing(locate(config, data).settings)
    try:
        rows = opened.prunable(before)
        if dry_run and keep_scores:
            rows["scores"] = 0
        if not dry_run:
            with console.progress("pruning", rows["traces"]) as told:
                rows = opened.prune_traces(before, keep_scores=keep_scores, told=told)
    finally:
        opened.close()
    counts = {table: count for table, count in rows.items() if count}
    if as_json:
        console.emit_json({"before": before, "dry_run": dry_run, "rows": counts})
        return
    verb = "would be deleted" if dry_run else "deleted"
    console.show_table(f"stored before {console.shown(before)}", ["table", verb], counts.items(), right=[verb])
