"""`evalstream receiver`."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.cli import options


def receiver(
    config: options.Config = None,
    data: options.Data = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: receiver.host.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Default: receiver.port.")] = None,
) -> None:
    """Take OTLP/HTTP traces and write them to the topic `otlp_spans`, until SIGTERM.

    Example: KAFKA_BOOTSTRAP_SERVERS=kafka:9092 evalstream receiver --host 127.0.0.1
    """
    from streams.cli.locate import locate, need_broker
    from streams.receiver import run_receiver

    found = locate(config, data)
    need_broker(found)
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    listening = found.settings.receiver.model_copy(update=given)
    raise typer.Exit(run_receiver(found.settings.model_copy(update={"receiver": listening}), found.source))
