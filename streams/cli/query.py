"""`evalstream query`."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.cli import console, options


def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One statement that reads.", show_default=False)],
    limit: options.Limit = 1000,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Run one SQL statement on the warehouse, read-only.

    Example: evalstream query "SELECT evaluator, count(*) FROM v_scores_current GROUP BY 1"
    """
    from streams.cli.reading import reading

    with reading(config, data) as warehouse:
        found = warehouse.query(sql, limit)
    if as_json:
        for row in found.rows:
            console.emit_json(dict(zip(_distinct(found.columns), row, strict=True)))
    else:
        console.show_table(
            f"{len(found.rows)} row{'' if len(found.rows) == 1 else 's'}", list(found.columns), found.rows
        )
    if found.truncated:
        console.note(f"there are more than {limit} rows; --limit shows more")


def _distinct(names: tuple[str, ...]) -> list[str]:
    """Column names as keys: a second `count(*)` becomes `count(*)_2`."""
    found: list[str] = []
    for name in names:
        number = sum(1 for earlier in names[: len(found)] if earlier == name)
        found.append(f"{name}_{number + 1}" if number else name)
    return found
