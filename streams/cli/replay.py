"""`evalstream replay`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams import exits
from streams.cli import console, options

if TYPE_CHECKING:
    from datetime import datetime

    from schemas.judge_request import JudgeRequest
    from schemas.settings import Settings
    from streams.cli.summary import Summary
    from streams.files.offline import Offline


def replay(
    start: Annotated[str, typer.Option("--from", metavar="T", help="ISO 8601 or seconds since 1970.")],
    end: Annotated[str, typer.Option("--to", metavar="T", help="As --from; records at T are left out.")],
    judges: Annotated[
        bool, typer.Option("--judges", help="Ask LLM judges, too, after an estimate.", show_default=False)
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask back.", show_default=False)] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.", show_default=False)] = False,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Compute the decisions that are missing for a range of the topic `traces`.

    Writes only the warehouse: no measurements, no alerts, no consumer group. Times are those of the records.

    Example: evalstream replay --from 2026-01-31T00:00 --to 2026-02-01T00:00
    """
    from streams.cli.locate import locate, need_broker
    from streams.cli.reading import moment

    begin, until = moment(start, "--from"), moment(end, "--to")
    assert begin is not None and until is not None
    found = locate(config, data)
    need_broker(found)
    document = _replay(found, begin, until, judges=judges, yes=yes or as_json, dry_run=dry_run, as_json=as_json)
    if as_json:
        console.emit_json(document)
    raise typer.Exit(exits.NEGATIVE if document["unreadable"] else exits.OK)


def _replay(
    found: Any, begin: datetime, until: datetime, *, judges: bool, yes: bool, dry_run: bool, as_json: bool
) -> dict[str, Any]:
    import asyncio

    from evaluators.build import build_suite
    from streams.cli.run import answer_all, hasher_of, show_summary, tell_deleted, waiting
    from streams.cli.summary import Summary
    from streams.files.offline import Keeping, Offline
    from streams.opening import open_current

    settings: Settings = found.settings
    suite, warehouse = build_suite(settings, found.source), open_current(settings)
    try:
        hasher = hasher_of(settings, found.data)
        warehouse.use_key(hasher)
        keeping: Keeping = "nothing" if dry_run else "all"
        offline = Offline(settings, suite, hasher, warehouse, keeping, learning="nothing")
        summary = Summary(suite.current_versions())
        requests: list[JudgeRequest] = []
        counts = asyncio.run(_all(settings, offline, begin, until, summary, requests))
        tell_deleted(offline.deleted)
        asked = judges and not dry_run and _agreed(suite, requests, settings, yes, as_json)
        if asked:
            answer_all(suite, requests, settings, warehouse, summary.add)
        else:
            summary.add_waiting(waiting(requests))
    finally:
        warehouse.close()
        suite.close()
    if not as_json:
        show_summary(f"{counts['traces']} traces; decisions that were missing", summary, counts["unreadable"])
    return {
        **counts,
        "deleted": offline.deleted,
        "dry_run": dry_run,
        "judged": asked,
        "evaluators": [line.as_json() for line in summary.lines()],
    }


async def _all(
    settings: Settings,
    offline: Offline,
    begin: datetime,
    until: datetime,
    summary: Summary,
    requests: list[JudgeRequest],
) -> dict[str, int]:
    import asyncio

    from schemas.settings import Topics
    from streams.kafka.log_range import LogRange

    ids: set[str] = set()
    records = unreadable = 0
    async with LogRange(settings.kafka, [Topics.TRACES], begin, until) as log:
        async for batch in log.read(Topics.TRACES):
            records += len(batch)
            placed = [(f"{record.topic}-{record.partition}@{record.offset}", record.value or b"") for record in batch]
            traces, problems = await asyncio.to_thread(offline.read_records, placed)
            unreadable += len(problems)
            for problem in problems:
                console.fail(str(problem))
            for trace, decided in await asyncio.to_thread(lambda found: list(offline.evaluate(found)), traces):
                ids.add(trace.trace_id)
                summary.add(decided.scores)
                requests += decided.requests
    return {"records": records, "traces": len(ids), "unreadable": unreadable}


def _agreed(suite: Any, requests: list[JudgeRequest], settings: Settings, yes: bool, as_json: bool) -> bool:
    """Show what judging would cost, and ask."""
    from streams.judging.answering import estimate

    if not requests:
        return False
    guess = estimate(suite, requests, settings)
    cost = "of unknown cost (no price is configured)" if guess.cost_usd is None else f"about {guess.cost_usd:.2f} USD"
    console.note(f"judges: {guess.calls} calls, about {guess.input_tokens + guess.output_tokens} tokens, {cost}")
    return yes or typer.confirm("ask them?", err=True)
