"""`evalstream why`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams import exits
from streams.cli import console, options

if TYPE_CHECKING:
    from schemas.score import Score
    from sinks.warehouse import Why

REASONS = {
    "no_target": "nothing in the trace for it to look at",
    "filtered": "its filter said no",
    "sampled_out": "not in its sample",
    "filter_error": "its filter could not be computed",
}


def why(
    trace_id: Annotated[str, typer.Argument(help="The trace.", show_default=False)],
    every: Annotated[bool, typer.Option("--all", help="A row for each span, also for those that passed.")] = False,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Explain what every evaluator decided about a trace, and why some decided nothing.

    What failed stands first; spans that passed share a row for each evaluator. `--json` always gives every decision.

    Example: evalstream why 5b8efff798038103d269b633813fc60c
    """
    from streams.cli.reading import reading

    with reading(config, data) as warehouse:
        found = warehouse.why(trace_id)
    if found is None:
        console.fail(f"no trace {trace_id} is stored")
        raise typer.Exit(exits.NEGATIVE)
    if as_json:
        console.emit_json(_document(found))
    else:
        _show(found, every=every)


def _document(found: Why) -> dict[str, Any]:
    return {
        "trace_id": found.trace_id,
        "trace": dict(found.trace),
        "decisions": [
            {**score.model_dump(mode="json"), "current": score.key in found.current} for score in found.decisions
        ],
        "in_flight": [
            {"evaluator": request.evaluator, "decisions": request.decisions, "requested_at": request.requested_at}
            for request in found.in_flight
        ],
        "passed_over": dict(found.passed_over),
        "measured": list(found.measured),
    }


def _show(found: Why, *, every: bool) -> None:
    trace = found.trace
    if trace:
        parts = [f"{trace['project']}/{trace['environment']}", f"{trace['revision']} span versions"]
        parts += [f"session {trace['session_id']}"] if trace["session_id"] else []
        parts += [word for word in ("incomplete", "partial") if trace[word]]
        print(f"trace {found.trace_id}  {console.shown(trace['root_name'])}  {', '.join(map(console.shown, parts))}")
    current = [score for score in found.decisions if score.key in found.current]
    console.show_table(
        f"{len(current)} current decisions ({len(found.decisions) - len(current)} of older revisions or versions)",
        ["evaluator", "span", "status", "value", "passed", "explanation"],
        list(
            _rows(
                sorted(current, key=lambda s: (s.passed is not False, s.evaluator, _is_quiet(s), s.target_id)),
                every=every,
            )
        ),
        right=["value"],
    )
    for request in found.in_flight:
        print(f"{request.evaluator}: asked at {console.shown(request.requested_at)}, not answered yet")
    for name, reason in sorted(found.passed_over.items()):
        print(f"{name}: no decision, {REASONS.get(reason, reason)} ({reason})")


def _rows(scores: Sequence[Score], *, every: bool) -> Iterator[list[Any]]:
    """A row for each decision; unless `every`, one row for all spans of an evaluator that nothing is to be said of."""
    for (_, quiet), group in groupby(scores, key=lambda s: (s.evaluator, _is_quiet(s))):
        alike = list(group)
        if every or not quiet or len(alike) == 1:
            yield from map(_row, alike)
        else:
            values = [score.value for score in alike if score.value is not None]
            told = f"each passed; median value of {len(values)}" if values else "each passed"
            yield [alike[0].evaluator, f"{len(alike)} spans", "scored", median(values) if values else None, True, told]


def _is_quiet(score: Score) -> bool:
    return score.span_id is not None and score.status == "scored" and score.passed is True


def _row(score: Score) -> list[Any]:
    told = score.explanation or score.label or score.skip_reason or score.error_type
    return [score.evaluator, score.span_id or score.target, score.status, score.value, score.passed, told]
