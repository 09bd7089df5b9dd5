"""`evalstream delete`: what belongs to a trace, a session or a user, for good."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams import exits
from streams.cli import console, options

if TYPE_CHECKING:
    from sinks.warehouse import Subject, Warehouse
    from sinks.warehouse.records import SubjectKind
    from streams.cli.locate import Located

delete = typer.Typer(
    help="Delete what belongs to a trace, a session or a user, and keep away what comes of it later.",
    no_args_is_help=True,
)

Ids = Annotated[list[str], typer.Argument(metavar="ID...", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask back.", show_default=False)]


@delete.command("trace")
def delete_traces(
    ids: Ids,
    dry_run: DryRun = False,
    yes: Yes = False,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Delete traces: spans, messages, decisions, judge requests and answers, and what alerts say of them.

    Example: evalstream delete trace 5b8efff798038103d269b633813fc60c --dry-run
    """
    _delete("trace", ids, dry_run, yes, config, data, as_json)


@delete.command("session")
def delete_sessions(
    ids: Ids,
    dry_run: DryRun = False,
    yes: Yes = False,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Delete sessions and all of their traces.

    Example: evalstream delete session conversation-17 --yes
    """
    _delete("session", ids, dry_run, yes, config, data, as_json)


@delete.command("user")
def delete_users(
    ids: Ids,
    dry_run: DryRun = False,
    yes: Yes = False,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Delete all traces of users. An id that redaction replaces (an e-mail address) is given as it was before.

    Example: evalstream delete user jane.doe@example.com --dry-run
    """
    _delete("user", ids, dry_run, yes, config, data, as_json)


def _delete(
    kind: SubjectKind,
    ids: list[str],
    dry_run: bool,
    yes: bool,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    from streams.cli.locate import locate
    from streams.cli.run import hasher_of
    from streams.opening import open_existing

    found = locate(config, data)
    warehouse = open_existing(found.settings)
    try:
        warehouse.use_key(hasher_of(found.settings, found.data))
        subjects = _stored_forms(kind, ids, found)
        trace_ids = warehouse.traces_belonging(subjects)
        rows = warehouse.rows_belonging(trace_ids)
        if not dry_run:
            _agree(kind, len(ids), len(trace_ids), yes)
            rows = _do(warehouse, subjects, len(trace_ids))
    finally:
        warehouse.close()
    _tell(kind, ids, len(trace_ids), rows, found, dry_run=dry_run, as_json=as_json)


def _stored_forms(kind: SubjectKind, ids: list[str], found: Located) -> list[Subject]:
    """The ids as given, and as assemble and evaluate write them: bounded and redacted."""
    from schemas.ids import bounded_id
    from sinks.redact import Redactor
    from sinks.warehouse import Subject
    from streams.cli.run import hasher_of

    redactor = Redactor(found.settings.redaction, hasher_of(found.settings, found.data))
    forms = {}
    for given in ids:
        bounded = given if kind == "trace" else bounded_id(given)
        redacted = bounded if kind == "trace" else redactor.text(bounded)
        forms.update(dict.fromkeys((given, bounded, redacted)))
    return [Subject(kind, form) for form in forms]


def _agree(kind: str, named: int, traces: int, yes: bool) -> None:
    import sys

    from schemas.errors import ConfigError

    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError("nobody can be asked here: say --yes to delete, or --dry-run to count", path="--yes")
    if not typer.confirm(f"delete {traces} traces of {named} {kind}(s), for good?", err=True):
        raise typer.Exit(exits.NEGATIVE)


def _do(warehouse: Warehouse, subjects: list[Subject], traces: int) -> dict[str, int]:
    with console.progress("deleting", traces) as told:
        return warehouse.delete(subjects, told)


def _tell(
    kind: str, ids: list[str], traces: int, rows: dict[str, int], found: Located, *, dry_run: bool, as_json: bool
) -> None:
    document: dict[str, Any] = {
        "kind": kind,
        "ids": len(ids),
        "traces": traces,
        "dry_run": dry_run,
        "rows": {table: count for table, count in rows.items() if count},
    }
    if as_json:
        console.emit_json(document)
        return
    verb = "would be deleted" if dry_run else "deleted or blanked"
    console.show_table(
        f"{traces} traces of {len(ids)} {kind}(s)",
        ["table", f"rows {verb}"],
        document["rows"].items(),
        right=[f"rows {verb}"],
    )
    if not dry_run:
        console.note("late spans, replays and feedback under these ids are dropped from now on")
        console.note(
            f"copies stay in Kafka until its retention ends ({found.settings.kafka.retention_h:g} h as configured), "
            "and in backups of the warehouse"
        )
