"""`evalstream status`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams import exits
from streams.cli import console, options
from streams.cli.worker import Component

if TYPE_CHECKING:
    from streams.cli.locate import Located
    from streams.status import Status

LOOK_EVERY_S = 0.5


class Until(StrEnum):
    """What `--wait` waits for."""

    READY = "ready"
    CAUGHT_UP = "caught_up"


def status(
    wait: Annotated[
        float | None, typer.Option("--wait", metavar="SECONDS", min=0, help="Wait until it is so.", show_default=False)
    ] = None,
    caught_up: Annotated[
        bool,
        typer.Option("--caught-up", help="Ask whether all that was published has been worked on.", show_default=False),
    ] = False,
    component: Annotated[
        Component | None, typer.Option("--component", help="Look at this component only.", show_default=False)
    ] = None,
    heartbeat: Annotated[
        bool,
        typer.Option("--heartbeat", help="Look at heartbeats in the warehouse only.", show_default=False),
    ] = False,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Tell whether everything is ready and caught up. Exit code 0 when ready, 1 when not.

    Example: evalstream status --wait 60 --caught-up --json
    """
    import time

    from schemas.errors import ConfigError
    from streams.cli.locate import locate

    locate(config, data)  # a wrong configuration does not get better by waiting
    goal = Until.CAUGHT_UP if caught_up else Until.READY
    until = time.monotonic() + (wait or 0)
    while True:
        try:
            document = _look(config, data, component, heartbeat)
        except ConfigError:
            if time.monotonic() >= until:  # until then `up` may just be starting
                raise
        else:
            if document[goal.value] or time.monotonic() >= until:
                break
        time.sleep(min(LOOK_EVERY_S, max(until - time.monotonic(), 0)))
    if as_json:
        console.emit_json(document)
    else:
        _show(document)
    raise typer.Exit(exits.OK if document[goal.value] else exits.NEGATIVE)


def _look(config: Any, data: Any, component: Component | None, heartbeat: bool) -> dict[str, Any]:
    import asyncio

    from streams.cli.locate import locate, need_broker
    from streams.status import read_heartbeats, read_status

    found = locate(config, data)
    if heartbeat:
        status = read_heartbeats(found.settings)
    else:
        need_broker(found)
        status = asyncio.run(read_status(found.settings))
    return {**_judged(status, component, heartbeat), "up": _up(found)}


def _judged(status: Status, component: Component | None, heartbeat: bool) -> dict[str, Any]:
    document = status.as_json()
    if component is not None:
        document["components"] = {component.value: status.components.get(component.value, {"ready": False})}
    if component is not None or heartbeat:
        answers = heartbeat or bool(status.broker.get("answers"))
        document["ready"] = answers and all(c.get("ready") for c in document["components"].values())
    return document


def _up(found: Located) -> dict[str, Any] | None:
    if found.runtime is None or not found.runtime.running:
        return None
    return found.runtime.model_dump(mode="json")


def _show(document: dict[str, Any]) -> None:
    console.show_table(
        f"{'ready' if document['ready'] else 'NOT ready'}, {'caught up' if document['caught_up'] else 'not caught up'}",
        ["component", "ready", "last seen", "instances", "lag", "open", "in flight"],
        [
            [
                name,
                state.get("ready"),
                state.get("seen_at"),
                len(state.get("instances", ())),
                state.get("lag"),
                state.get("open_traces"),
                state.get("in_flight"),
            ]
            for name, state in document["components"].items()
        ],
        right=["instances", "lag", "open", "in flight"],
    )
    for name in ("broker", "warehouse"):
        state = document[name]
        if not state:
            continue
        where = state.get("bootstrap_servers") or state.get("url") or ""
        print(f"{name} {where}: {'answers' if state.get('answers') else 'does not answer: ' + state.get('error', '')}")
    if document["counts"]:
        print(", ".join(f"{count} {name}" for name, count in document["counts"].items()))
    up = document["up"]
    if up:
        print(f"traces go to {up['receiver_url']}/v1/traces; logs are in {up['data']}/logs")
        if up["judge"] == "scripted":
            print("the judge is a SCRIPTED stand-in: its verdicts mean nothing")
