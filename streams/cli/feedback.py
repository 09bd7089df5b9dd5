"""`evalstream feedback`."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.cli import console, options


def feedback(
    trace_id: Annotated[str, typer.Argument(help="The trace that was looked at.", show_default=False)],
    score: Annotated[float, typer.Option("--score", min=0.0, max=1.0, help="0 (bad) to 1 (good).", show_default=False)],
    span_id: Annotated[str | None, typer.Option("--span-id", help="One step of it.", show_default=False)] = None,
    label: Annotated[str | None, typer.Option(help="A word for it, e.g. `wrong_tool`.", show_default=False)] = None,
    comment: Annotated[str, typer.Option(help="Why; redacted like any text.", show_default=False)] = "",
    name: Annotated[str, typer.Option(help="Under which evaluator's name it is stored.")] = "human",
    author: Annotated[str | None, typer.Option(help="Who says so; a later score of theirs replaces it.")] = None,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Give a trace a human score: published to the topic `feedback`, stored by the evaluate worker.

    Example: evalstream feedback 5b8efff798038103d269b633813fc60c --score 0 --comment "booked the wrong flight"
    """
    import asyncio

    from streams.cli.locate import locate, need_broker
    from streams.cli.sending import send
    from streams.evaluating.feedback import feedback_now

    found = locate(config, data)
    need_broker(found)
    given = feedback_now(
        trace_id=trace_id, span_id=span_id, score=score, label=label, comment=comment, name=name, author=author
    )
    asyncio.run(send(found.settings.kafka, [given.to_outgoing()]))
    if as_json:
        console.emit_json(given)
    else:
        console.note(f"feedback on {trace_id} was published")
