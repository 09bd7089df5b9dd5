"""`evalstream warehouse`."""

from __future__ import annotations

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
