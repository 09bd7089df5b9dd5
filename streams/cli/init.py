"""`evalstream init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.cli import console


def init(
    file: Annotated[Path, typer.Argument(help="Where to write.")] = Path("evalstream.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Write over an existing file.", show_default=False)] = False,
) -> None:
    """Write a starter configuration with comments.

    Example: evalstream init && evalstream check
    """
    from schemas.errors import ConfigError
    from streams.cli.locate import STARTER

    try:
        with file.open("w" if force else "x", encoding="utf-8") as out:
            out.write(STARTER.read_text(encoding="utf-8"))
    except FileExistsError:
        raise ConfigError("exists already; --force writes over it", file=str(file)) from None
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", file=str(file)) from None
    console.note(f"wrote {file}; `evalstream check` validates it, `evalstream up` starts everything")
