"""`evalstream up`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli import console, options

if TYPE_CHECKING:
    from streams.up.plan import Plan


def up(
    config: options.Config = None,
    data: options.Data = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="HTTP port of the OTLP receiver (4318); 0: any free one.")
    ] = None,
    broker_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port of the embedded broker; default 9092, or a free one if it is taken."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Run everything on this machine: broker, the four components, an OTLP/HTTP receiver and a SQLite warehouse.

    With KAFKA_BOOTSTRAP_SERVERS or kafka.bootstrap_servers set, that broker is used and none is started. Stops on
    Ctrl-C or SIGTERM. Ready when `evalstream status` says so.

    Example: evalstream up --data /tmp/try --port 4318
    """
    from schemas.settings import load_settings
    from streams.cli.locate import STARTER, config_file
    from streams.up.plan import make_plan
    from streams.up.runtime import data_folder, only_one, read_runtime
    from streams.up.supervise import Supervisor

    folder = data_folder(data)
    file = config_file(config)
    settings, source = load_settings(file)
    if file == STARTER:
        console.note("no evalstream.yaml here: using the built-in starter configuration (`evalstream init` writes it)")
    with only_one(folder):
        before = read_runtime(folder)
        plan = make_plan(settings, source, file, folder, port=port, broker_port=broker_port, before=before)
        _prepare_warehouse(plan)
        code = Supervisor(plan, console.note).run(lambda: _announce(plan, as_json))
    raise typer.Exit(code)


def _prepare_warehouse(plan: Plan) -> None:
    """Bring the schema up to date before four workers ask for it; a warehouse that is away is said at once."""
    from streams.opening import open_current

    open_current(plan.settings).close()


def _announce(plan: Plan, as_json: bool) -> None:
    places: dict[str, Any] = {
        "send traces to": f"{plan.receiver_url}/v1/traces",
        "broker": plan.bootstrap_servers
        + (" (embedded: one machine, not for production)" if plan.embedded_broker else ""),
        "warehouse": _shown(plan.warehouse_url),
        "configuration": str(plan.config),
        "logs": str(plan.data / "logs"),
        "health and metrics": dict(plan.probes),
        "judge": {
            "scripted": f"SCRIPTED stand-in at {plan.judge_base_url}, its verdicts mean nothing; set OPENAI_API_KEY "
            "for a real one",
            "configured": plan.judge_base_url or "the OpenAI API",
            "none": "no llm_judge is configured",
        }[plan.judge],
    }
    if as_json:
        console.emit_json(places)
        return
    del places["health and metrics"]
    rows = [*places.items(), *((f"metrics of {name}", f"{url}/metrics") for name, url in plan.probes.items())]
    console.show_table("evalstream is starting", ["what", "where"], rows)
    console.note("`evalstream status` tells when it is ready; Ctrl-C stops everything")


def _shown(url: str) -> str:
    from sqlalchemy import make_url

    return make_url(url).render_as_string(hide_password=True)
