"""`evalstream scores`."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli import console, options

if TYPE_CHECKING:
    from sinks.warehouse import Warehouse


class By(StrEnum):
    """What coverage may be split by."""

    TOOL = "tool_name"
    MODEL = "model"
    PROMPT = "prompt_name"
    PROMPT_VERSION = "prompt_version"


class Status(StrEnum):
    """What became of a decision."""

    SCORED = "scored"
    SKIPPED = "skipped"
    FAILED = "failed"


def scores(
    summary: Annotated[
        bool, typer.Option("--summary", help="The figures of each evaluator.", show_default=False)
    ] = False,
    coverage: Annotated[
        bool,
        typer.Option("--coverage", help="Scored, skipped by reason and failed, by evaluator.", show_default=False),
    ] = False,
    by: Annotated[By | None, typer.Option(help="With --coverage: also by this.", show_default=False)] = None,
    trace: Annotated[str | None, typer.Option(metavar="TRACE_ID", help="Of this trace.", show_default=False)] = None,
    evaluator: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of this evaluator.", show_default=False)
    ] = None,
    status: Annotated[Status | None, typer.Option(help="With this status.", show_default=False)] = None,
    failing: Annotated[
        bool, typer.Option("--failing", help="Only those whose verdict is no.", show_default=False)
    ] = False,
    since: Annotated[str | None, typer.Option(metavar="T", help="ISO 8601 or seconds.", show_default=False)] = None,
    limit: options.Limit = 100,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Show current decisions, the newest first.

    Example: evalstream scores --failing --evaluator unknown_tool -n 20
    """
    from streams.cli.reading import moment, reading

    begin = moment(since, "--since")
    with reading(config, data) as warehouse:
        if summary:
            _summary(warehouse, begin, as_json)
            return
        if coverage or by is not None:
            _coverage(warehouse, evaluator, by, as_json)
            return
        found = warehouse.scores(
            evaluator=evaluator,
            trace_id=trace,
            status=status.value if status else None,
            passed=False if failing else None,
            since=begin,
            limit=limit,
        )
    if as_json:
        for score in found:
            console.emit_json(score)
        return
    console.show_table(
        f"{len(found)} decisions",
        ["time", "evaluator", "trace", "span", "status", "value", "passed", "explanation"],
        [
            [
                s.event_time,
                s.evaluator,
                s.trace_id,
                s.span_id or s.target,
                s.status,
                s.value,
                s.passed,
                s.explanation or s.label or s.skip_reason or s.error_type,
            ]
            for s in found
        ],
        right=["value"],
    )


def _summary(warehouse: Warehouse, since: object, as_json: bool) -> None:
    from dataclasses import asdict

    found = warehouse.score_summary(since=since)  # type: ignore[arg-type]
    if as_json:
        for line in found:
            console.emit_json({**asdict(line), "pass_rate": line.pass_rate, "coverage": line.coverage})
        return
    columns = ["evaluator", "decisions", "scored", "skipped", "failed", "pass rate", "mean", "median", "coverage"]
    console.show_table(
        "Current decisions by evaluator",
        columns,
        [
            [
                line.evaluator,
                line.targets,
                line.scored,
                line.skipped,
                line.failed,
                line.pass_rate,
                line.mean,
                line.median,
                line.coverage,
            ]
            for line in found
        ],
        right=columns[1:],
    )


def _coverage(warehouse: Warehouse, evaluator: str | None, by: By | None, as_json: bool) -> None:
    found = warehouse.coverage(evaluator=evaluator, by=by.value if by is not None else None)
    if as_json:
        for line in found:
            console.emit_json(line.as_json())
        return
    split = [by.value] if by is not None else []
    columns = ["evaluator", "project", "environment", *split, "decisions", "scored", "coverage", "skipped", "failed"]
    console.show_table(
        "Coverage: what became of the current decisions",
        columns,
        [
            [
                line.evaluator,
                line.project,
                line.environment,
                *([line.segment] if split else []),
                line.decisions,
                line.scored,
                line.coverage,
                _reasons(line.skipped),
                _reasons(line.failed),
            ]
            for line in found
        ],
        right=["decisions", "scored", "coverage"],
    )


def _reasons(counts: Counter[str]) -> str:
    return ", ".join(f"{reason} {number}" for reason, number in counts.most_common())
