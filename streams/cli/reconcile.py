"""`evalstream reconcile`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams import exits
from streams.cli import console, options

if TYPE_CHECKING:
    from streams.reconcile import Missing, Report


def reconcile(
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="T", help="ISO 8601 or seconds since 1970. Default: all the topics hold."),
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="T", help="As --from; records at T are left out.")] = None,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Read the topics again and account for everything in them: spans, decisions, verdicts, measurements.

    Writes nothing, joins no consumer group; the workers may run. Prints what is missing, then a summary; the exit code is 1
    when something is.

    Example: evalstream reconcile --from 2026-01-31T00:00 --to 2026-02-01T00:00
    """
    from streams.cli.locate import locate, need_broker
    from streams.cli.reading import moment

    begin, until = moment(start, "--from"), moment(end, "--to")
    found = locate(config, data)
    need_broker(found)
    report = _reconcile(found, begin, until, as_json)
    if as_json:
        console.emit_json({"summary": report.as_json()})
    else:
        _show(report)
    raise typer.Exit(exits.NEGATIVE if report.missing else exits.OK)


def _reconcile(found: Any, begin: Any, until: Any, as_json: bool) -> Report:
    import asyncio

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from evaluators.build import build_suite
    from streams.cli.run import hasher_of
    from streams.opening import open_existing
    from streams.reconcile import reconcile

    settings = found.settings
    suite, warehouse = build_suite(settings, found.source), open_existing(settings)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    try:
        hasher = hasher_of(settings, found.data)
        warehouse.use_key(hasher)
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("", total=None)

            def tell(missing: Missing) -> None:
                if as_json:
                    console.emit_json(missing.as_json())
                else:
                    progress.console.out(_line(missing))

            return asyncio.run(
                reconcile(
                    settings,
                    warehouse,
                    hasher,
                    suite,
                    start=begin,
                    end=until,
                    on_missing=tell,
                    on_topic=lambda topic, size: progress.reset(task, description=topic, total=size),
                    advance=lambda count: progress.advance(task, count),
                )
            )
    finally:
        warehouse.close()
        suite.close()


def _line(missing: Missing) -> str:
    parts = [f"{missing.reason}:"]
    parts += [f"{name} {value}" for name, value in _what(missing) if value is not None]
    if missing.topic is not None:
        parts.append(f"at {missing.topic}-{missing.partition}@{missing.offset}:")
    return console.shown(" ".join([*parts, missing.detail]))


def _what(missing: Missing) -> list[tuple[str, Any]]:
    return [("trace", missing.trace_id), ("span", missing.span_id), ("evaluator", missing.evaluator)]


def _show(report: Report) -> None:
    from streams.reconcile.report import ACCOUNTS

    checks = sorted({check for check, _ in report.counts})
    accounts = [name for name in ACCOUNTS if any(report.counts[check, name] for check in checks)]
    console.show_table(
        f"{report.missing} missing",
        ["", *(name.replace("_", " ") for name in accounts)],
        [[check, *(report.counts[check, name] or None for name in accounts)] for check in checks],
        right=[name.replace("_", " ") for name in accounts],
    )
    if report.reasons:
        rows = [[check, reason, count] for (check, reason), count in sorted(report.reasons.items())]
        console.show_table("why", ["", "reason", "items"], rows, right=["items"])
