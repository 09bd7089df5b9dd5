"""The entry point: the commands, and errors as one clear line with an exit code.

Command modules import what is heavy inside the command, so that `evalstream --help` is quick.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Annotated, NoReturn

import typer

from schemas.errors import ConfigError, EvalstreamError, Fatal, Unavailable
from streams import exits
from streams.cli.alerts import alerts
from streams.cli.canary import canary
from streams.cli.check import check
from streams.cli.console import fail
from streams.cli.deadletters import deadletters
from streams.cli.delete import delete
from streams.cli.drift import drift
from streams.cli.evaluators import evaluators
from streams.cli.feedback import feedback
from streams.cli.init import init
from streams.cli.publish import publish
from streams.cli.query import query
from streams.cli.receiver import receiver
from streams.cli.reconcile import reconcile
from streams.cli.reload import reload
from streams.cli.replay import replay
from streams.cli.run import run
from streams.cli.scores import scores
from streams.cli.status import status
from streams.cli.up import up
from streams.cli.version import version
from streams.cli.warehouse import warehouse
from streams.cli.why import why
from streams.cli.worker import worker

EPILOG = "Start with `evalstream up`, then send OpenTelemetry traces to http://127.0.0.1:4318/v1/traces."

app = typer.Typer(
    name="evalstream",
    help="Evaluate the traces of LLM agents as they stream through Kafka.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
START, SEND, LOOK, KEEP = "Start", "Send and evaluate traces", "Look at results", "Production"


@app.callback()
def _common(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.", show_default=False)] = False,
) -> None:
    if debug:
        os.environ["EVALSTREAM_DEBUG"] = "1"


COMMANDS: dict[str, tuple[Callable[..., None], ...]] = {
    START: (init, check, up, status, reload),
    SEND: (publish, run, replay, feedback),
    LOOK: (scores, alerts, why, query),
    KEEP: (worker, receiver, reconcile, version),
}
for panel, commands in COMMANDS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(canary, name="canary", rich_help_panel=KEEP)
app.add_typer(drift, name="drift", rich_help_panel=LOOK)
app.add_typer(evaluators, name="evaluators", rich_help_panel=START)
app.add_typer(deadletters, name="deadletters", rich_help_panel=KEEP)
app.add_typer(delete, name="delete", rich_help_panel=KEEP)
app.add_typer(warehouse, name="warehouse", rich_help_panel=KEEP)


def main() -> NoReturn:
    """Run the command line and leave the process with its exit code."""
    try:
        app(standalone_mode=True)
        code = exits.OK
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - whoever reads our output has gone
        code = exits.OK
    except Exception as error:
        if os.environ.get("EVALSTREAM_DEBUG"):
            raise
        code = _report(error)
    sys.exit(code)


def _report(error: Exception) -> int:
    if isinstance(error, EvalstreamError):
        fail(str(error))
    else:
        fail(f"{type(error).__name__}: {error} (this is a bug; `evalstream --debug …` shows where)")
    if isinstance(error, ConfigError):
        return exits.CONFIG
    if isinstance(error, Unavailable):
        return exits.UNAVAILABLE
    return exits.FATAL if isinstance(error, Fatal) or not isinstance(error, EvalstreamError) else exits.NEGATIVE


if __name__ == "__main__":
    main()
