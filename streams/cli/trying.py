"""`evalstream evaluators test`: what would fire on a file, with the evidence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from streams.cli import console, options
from streams.cli.publish import check_files

if TYPE_CHECKING:
    from evaluators.run import Suite
    from schemas.score import Score
    from schemas.settings import Settings, SourceMap

MAX_FINDINGS = 200


def test_file(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="OTLP/JSON lines, OTLP protobuf or native JSON lines; may be .gz.")
    ],
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The evaluators of this preset instead of the configured ones; without a configuration: failure_modes.",
            show_default=False,
        ),
    ] = None,
    config: options.Config = None,
    data: options.Data = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print every finding, one JSON document a line.", show_default=False)
    ] = False,
) -> None:
    """Show what would fire on a file: for each evaluator its targets and findings, for each finding span and evidence.

    Example: evalstream evaluators test traces.jsonl.gz
    """
    from evaluators.build import build_suite
    from streams.cli.run import hasher_of
    from streams.files.offline import Offline

    check_files([file])
    settings, source, folder = _settings(config, data, preset)
    suite = build_suite(settings, source)
    try:
        offline = Offline(settings, suite, hasher_of(settings, folder))
        traces = offline.traces_in([file], lambda problem: console.fail(str(problem)))
        scores = [score for _, decided in offline.evaluate(traces) for score in decided.scores]
    finally:
        suite.close()
    findings = [score for score in scores if score.passed is False]
    if as_json:
        for score in findings:
            console.emit_json(_finding(score))
    else:
        _show(file, suite, scores, findings)


def _settings(config: Path | None, data: Path | None, preset: str | None) -> tuple[Settings, SourceMap, Path]:
    """The settings whose evaluators are tried: those of a configuration that there is, else those of a preset."""
    from evaluators.presets import PRESETS
    from schemas.errors import ConfigError
    from streams.cli.locate import STARTER, locate

    if preset is not None and preset not in PRESETS:
        raise ConfigError(f"there is no preset {preset!r}; there are {', '.join(PRESETS)}", path="--preset")
    found = locate(config, data)
    settings = found.settings
    if preset is not None or found.file == STARTER:
        chosen: tuple[Literal["failure_modes"], ...] = (preset or "failure_modes",)  # type: ignore[assignment]
        settings = settings.model_copy(update={"presets": chosen, "evaluators": ()})
    return settings, found.source, found.data


def _finding(score: Score) -> dict[str, Any]:
    return {
        "evaluator": score.evaluator,
        "trace_id": score.trace_id,
        "span_id": score.blamed_span_id or score.span_id,
        "label": score.label,
        "value": score.value,
        "explanation": score.explanation,
        "evidence": [piece.model_dump() for piece in score.evidence],
    }


def _show(file: Path, suite: Suite, scores: list[Score], findings: list[Score]) -> None:
    rows = []
    for evaluator in suite.evaluators:
        mine = [score for score in scores if score.evaluator in evaluator.decisions]
        fired = sum(score.passed is False for score in mine)
        by_status = [sum(score.status == status for score in mine) for status in ("skipped", "failed")]
        rows.append(
            [evaluator.name, len(mine), fired, *by_status, "asks a model" if evaluator.lane == "deferred" else ""]
        )
    columns = ["evaluator", "targets", "fired", "skipped", "failed", ""]
    console.show_table(f"What fires on {file.name}", columns, rows, right=columns[1:5])
    if findings:
        console.show_table(
            "Findings", ["evaluator", "trace", "span", "where", "quote", "why"], list(_rows(findings[:MAX_FINDINGS]))
        )
    if len(findings) > MAX_FINDINGS:
        console.note(f"{len(findings) - MAX_FINDINGS} more findings: --json prints all")


def _rows(findings: list[Score]) -> Iterator[list[Any]]:
    for score in findings:
        first = score.evidence[0] if score.evidence else None
        place = (first.path, first.quote) if first is not None else ("", "")
        yield [score.evaluator, score.trace_id, score.blamed_span_id or score.span_id, *place, score.explanation]
