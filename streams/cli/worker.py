"""`evalstream worker`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli import console, options

if TYPE_CHECKING:
    from schemas.settings import Settings, SourceMap


class Component(StrEnum):
    """The four components."""

    ASSEMBLE = "assemble"
    EVALUATE = "evaluate"
    JUDGE = "judge"
    MONITOR = "monitor"


def worker(
    component: Annotated[Component, typer.Argument(help="Which component to run.", show_default=False)],
    config: options.Config = None,
    data: options.Data = None,
    http_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port of /healthz, /readyz and /metrics; 0: any free. Default: http.port."),
    ] = None,
) -> None:
    """Run one component until SIGTERM. Start as many as the topics have partitions. SIGHUP reloads the configuration.

    Example: KAFKA_BOOTSTRAP_SERVERS=kafka:9092 evalstream worker evaluate -c evalstream.yaml
    """
    from streams.cli.locate import locate, need_broker
    from streams.worker.run import run_worker

    def load() -> tuple[Settings, SourceMap]:
        found = locate(config, data)
        need_broker(found)
        return found.settings, found.source

    if load()[0].redaction.key is None:
        console.note("warning: EVALSTREAM_KEY is not set; who knows the project's name can confirm a redacted value")
    raise typer.Exit(run_worker(component.value, load, http_port))
