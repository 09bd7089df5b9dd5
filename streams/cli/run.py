"""`evalstream run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams import exits
from streams.cli import console, options
from streams.cli.publish import check_files

if TYPE_CHECKING:
    from evaluators.run import Suite
    from schemas.ids import Hasher
    from schemas.judge_request import JudgeRequest
    from schemas.settings import Settings
    from sinks.warehouse import Warehouse
    from streams.cli.summary import Summary
    from streams.files.publishing import Problem


def run(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="OTLP/JSON lines, OTLP protobuf, native JSON lines; each may be .gz."),
    ],
    config: options.Config = None,
    data: options.Data = None,
    warehouse: Annotated[
        str | None, typer.Option(metavar="URL", help="Store traces and decisions there.", show_default=False)
    ] = None,
    judges: Annotated[
        bool, typer.Option("--judges", help="Ask LLM judges and embedders, too.", show_default=False)
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print every decision, one JSON document a line.", show_default=False)
    ] = False,
) -> None:
    """Evaluate files with the configured evaluators, without Kafka: the same decisions as the stream makes.

    Example: evalstream run examples/traces/airline.otlp.jsonl.gz --warehouse sqlite:///try.db
    """
    from evaluators.build import build_suite
    from streams.cli.locate import locate, with_warehouse

    check_files(files)
    found = locate(config, data)
    suite = build_suite(found.settings, found.source)
    problems: list[Problem] = []
    try:
        settings = found.settings if warehouse is None else with_warehouse(found.settings, warehouse)
        hasher = hasher_of(settings, found.data)
        opened = _opened(settings, hasher) if warehouse is not None else None
        try:
            summary = _evaluate(files, settings, suite, hasher, opened, judges, as_json, problems)
        finally:
            if opened is not None:
                opened.close()
    finally:
        suite.close()
    if not as_json:
        show_summary(f"{', '.join(file.name for file in files)}", summary, len(problems))
    raise typer.Exit(exits.NEGATIVE if problems else exits.OK)


def show_summary(title: str, summary: Summary, bad: int = 0) -> None:
    """The figures as a table."""
    columns = ["evaluator", "scored", "skipped", "failed", "waiting", "pass rate", "mean", "coverage"]
    rows = [
        [line.evaluator, line.scored, line.skipped, line.failed, line.waiting, line.pass_rate, line.mean, line.coverage]
        for line in summary.lines()
    ]
    console.show_table(title, columns, rows, right=columns[1:])
    if any(line.waiting for line in summary.lines()):
        console.note("waiting: decisions of LLM judges and embedders, made with --judges")
    if bad:
        console.note(f"{bad} bad lines were left out")


def hasher_of(settings: Settings, folder: Path) -> Hasher:
    """The installation's digests: by EVALSTREAM_KEY, else by the key of the data folder."""
    from pydantic import SecretStr

    from streams.base.context import default_hasher
    from streams.up.runtime import installation_key

    if settings.redaction.key is None and (key := installation_key(folder, create=False)):
        redaction = settings.redaction.model_copy(update={"key": SecretStr(key)})
        settings = settings.model_copy(update={"redaction": redaction})
    return default_hasher(settings)


def _opened(settings: Settings, hasher: Hasher) -> Warehouse:
    from streams.opening import open_current

    opened = open_current(settings)
    try:
        opened.use_key(hasher)
    except BaseException:
        opened.close()
        raise
    return opened


def _evaluate(
    files: list[Path],
    settings: Settings,
    suite: Suite,
    hasher: Hasher,
    warehouse: Warehouse | None,
    judges: bool,
    as_json: bool,
    problems: list[Problem],
) -> Summary:
    from datetime import UTC, datetime

    from streams.cli.summary import Summary
    from streams.files.offline import Offline

    def tell(problem: Problem) -> None:
        problems.append(problem)
        console.fail(str(problem))

    if warehouse is not None:
        warehouse.remember_evaluators(suite.current_versions(), datetime.now(UTC))
    offline = Offline(settings, suite, hasher, warehouse)
    summary = Summary(suite.current_versions())
    requests: list[JudgeRequest] = []
    for _, decided in offline.evaluate(offline.traces_in(files, tell)):
        _report(summary, decided.scores, as_json)
        if judges:
            requests += decided.requests
        else:
            summary.add_waiting(waiting(decided.requests))
    tell_deleted(offline.deleted)
    if requests:
        answer_all(suite, requests, settings, warehouse, lambda scores: _report(summary, scores, as_json))
    return summary


def answer_all(
    suite: Suite, requests: list[JudgeRequest], settings: Settings, warehouse: Warehouse | None, report: Any
) -> None:
    """Ask the deferred evaluators, store and report what they say."""
    import asyncio

    from streams.judging.answering import answer

    def take(request: JudgeRequest, scores: list[Any]) -> None:
        if warehouse is not None:
            warehouse.write_verdicts(scores)
        report(scores)

    asyncio.run(answer(suite, requests, settings, take))


def tell_deleted(count: int) -> None:
    """Say how many traces were passed over."""
    if count:
        console.note(f"{count} traces were left out: they were deleted (`evalstream delete`)")


def waiting(requests: list[JudgeRequest]) -> dict[str, int]:
    """How many decisions the requests ask for, by name."""
    found: dict[str, int] = {}
    for request in requests:
        for decision in request.decisions:
            found[decision] = found.get(decision, 0) + len(request.views)
    return found


def _report(summary: Summary, scores: list[Any], as_json: bool) -> None:
    summary.add(scores)
    if as_json:
        for score in scores:
            console.emit_json(score)
