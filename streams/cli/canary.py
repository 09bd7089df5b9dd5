"""`evalstream canary run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from streams import exits
from streams.cli import console, options

if TYPE_CHECKING:
    from schemas.settings import CanarySettings
    from streams.cli.locate import Located
    from streams.judging.canary import CanaryRun

canary = typer.Typer(help="Frozen labelled sets that show whether a judge changes.", no_args_is_help=True)


@canary.command("run")
def run(
    name: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Default: all of `judge.canaries`.", show_default=False),
    ] = None,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Ask judges about their canaries now: the same as the judge worker does by schedule.

    Verdicts are stored, and whether they agree with the labels is measured as the evaluator `canary:NAME`.

    Example: evalstream canary run helpful-frozen
    """
    import asyncio

    from schemas.errors import ConfigError
    from streams.cli.locate import locate, need_broker

    found = locate(config, data)
    need_broker(found)
    known = {c.name: c for c in found.settings.judge.canaries}
    unknown = [one for one in name or () if one not in known]
    if unknown or not known:
        raise ConfigError(
            f"no canary is called {', '.join(unknown)}" if unknown else "none is configured", path="judge.canaries"
        )
    runs = asyncio.run(_run_all(found, [known[one] for one in name or known]))
    if as_json:
        for one in runs:
            console.emit_json(one.as_json())
    else:
        _show(runs)
    raise typer.Exit(exits.NEGATIVE if any(one.failed for one in runs) else exits.OK)


async def _run_all(found: Located, chosen: list[CanarySettings]) -> list[CanaryRun]:
    from schemas.settings import Topics
    from streams.cli.sending import connected
    from streams.judging.canary import run_canary
    from streams.kafka.topics import ensure_topics
    from streams.opening import open_current

    runs = []
    warehouse = open_current(found.settings)
    try:
        async with connected(found.settings.kafka) as producer:
            partitions = (await ensure_topics(found.settings.kafka))[Topics.MEASUREMENTS]
            for one in chosen:
                done, records = await run_canary(one, found.settings, found.source, warehouse, partitions)
                await producer.publish(records)
                runs.append(done)
    finally:
        warehouse.close()
    return runs


def _show(runs: list[CanaryRun]) -> None:
    columns = ["canary", "evaluator", "items", "agreement", "flipped", "failed", "model returned", "cost (USD)"]
    rows = [
        [
            one.canary,
            one.evaluator,
            one.items,
            f"{one.agreed}/{one.judged}",
            f"{one.flipped}/{one.compared}",
            one.failed,
            ", ".join(one.models),
            one.cost_usd,
        ]
        for one in runs
    ]
    console.show_table("Canaries", columns, rows, right=["items", "agreement", "flipped", "failed", "cost (USD)"])
