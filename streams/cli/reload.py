"""`evalstream reload`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from streams import exits
from streams.cli import console, options

LOOK_EVERY_S = 0.5


def reload(
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", min=0, help="How long to wait for the workers.")
    ] = 30.0,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Let the workers of a running `evalstream up` read their configuration again, between two batches.

    The file is checked first. Exit code 0 when every worker goes by it, 1 when one does not (its log says why). Workers
    that run without `up` take a SIGHUP.

    Example: evalstream reload --wait 10
    """
    import os
    import signal
    import time
    from datetime import UTC, datetime
    from pathlib import Path

    from schemas.errors import ConfigError
    from streams.cli.locate import locate
    from streams.status import read_heartbeats
    from streams.up.runtime import data_folder, read_runtime
    from streams.worker.building import build_all

    folder = data_folder(data)
    runtime = read_runtime(folder)
    if runtime is None or not runtime.running:
        raise ConfigError(f"nothing runs in {folder} (another data folder: --data or EVALSTREAM_DATA)")
    found = locate(Path(runtime.config), data)
    build_all(found.settings, found.source).close()
    asked, until = datetime.now(UTC), time.monotonic() + wait
    os.kill(runtime.pid, signal.SIGHUP)
    while True:
        taken = _taken(read_heartbeats(found.settings).components, asked.isoformat())
        if all(taken.values()) or time.monotonic() >= until:
            break
        time.sleep(LOOK_EVERY_S)
    if as_json:
        console.emit_json({"config": runtime.config, "reloaded": taken})
    else:
        logs = Path(runtime.data) / "logs"
        rows = [[name, "reloaded" if done else f"NOT reloaded, see {logs / name}.log"] for name, done in taken.items()]
        console.show_table(f"{runtime.config} is read again", ["component", ""], rows)
    raise typer.Exit(exits.OK if all(taken.values()) else exits.NEGATIVE)


def _taken(components: dict[str, dict[str, Any]], asked: str) -> dict[str, bool]:
    """For each component whether all its instances go by what was read since."""
    return {
        name: bool(state["instances"]) and all((i.get("configured_at") or "") >= asked for i in state["instances"])
        for name, state in components.items()
    }
