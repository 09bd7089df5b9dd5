"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="The configuration. Default: $EVALSTREAM_CONFIG, then ./evalstream.yaml, then the built-in starter.",
        show_default=False,
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Where `evalstream up` keeps its files. Default: $EVALSTREAM_DATA, then .evalstream.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one document a line.", show_default=False)]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=1_000_000, help="At most this many rows.")]
From = Annotated[
    str | None, typer.Option("--from", metavar="T", help="ISO 8601 or seconds since 1970.", show_default=False)
]
To = Annotated[str | None, typer.Option("--to", metavar="T", help="As --from; left out itself.", show_default=False)]
Detectors = Annotated[
    list[str] | None,
    typer.Option(
        "--detector",
        metavar="TYPE[:OPTION=VALUE,…]",
        help="Instead of the configured detectors (repeatable).",
        show_default=False,
    ),
]
FalseAlarms = Annotated[
    float | None,
    typer.Option("--false-alarms-per-day", metavar="RATE", help="Instead of the configured one.", show_default=False),
]
