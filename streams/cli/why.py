"""`evalstream why`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli import console, exits, options

if TYPE_CHECKING:
    from sinks.warehouse import Why

REASONS = {
    "no_target": "nothing in the trace for it to look at",
    "filtered": "its filter said no",
    "sampled_out": "not in its sample",
    "filter_error": "its filter could not be computed",
}


def why(
    trace_id: Annotated[str, typer.Argument(help="The trace.", show_default=False)],
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Explain what every evaluator decided about a trace, and why some decided nothing.

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
        _show(found)


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


def _show(found: Why) -> None:
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
        [
            [
                score.evaluator,
                score.span_id or score.target,
                score.status,
                score.value,
                score.passed,
                score.explanation or score.label or score.skip_reason or score.error_type,
            ]
            for score in sorted(current, key=lambda s: (s.passed is not False, s.evaluator, s.target_id))
        ],
        right=["value"],
    )
    for request in found.in_flight:
        print(f"{request.evaluator}: asked at {console.shown(request.requested_at)}, not answered yet")
    for name, reason in sorted(found.passed_over.items()):
        print(f"{name}: no decision, {REASONS.get(reason, reason)} ({reason})")
