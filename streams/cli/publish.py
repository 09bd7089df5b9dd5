"""`evalstream publish`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams import exits
from streams.cli import console, options

if TYPE_CHECKING:
    from streams.cli.locate import Located
    from streams.files.publishing import Problem, Tally

SHOWN_PROBLEMS = 100


def publish(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="OTLP/JSON lines, OTLP protobuf, native JSON lines; each may be .gz."),
    ],
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Publish files of traces to the topic of their kind, keyed by trace id.

    A bad line is told with file and line, counted, and left out; the exit code is then 1.

    Example: evalstream publish examples/traces/airline.otlp.jsonl.gz
    """
    import asyncio

    from streams.cli.locate import locate, need_broker

    check_files(files)
    found = locate(config, data)
    need_broker(found)
    with _progress() as show:
        tally = asyncio.run(_publish(files, found, show))
    if as_json:
        console.emit_json(
            {
                "files": len(files),
                "records": tally.records,
                "traces": len(tally.trace_ids),
                "bytes": tally.size_bytes,
                "topics": dict(tally.topics),
                "bad": len(tally.problems),
                "problems": [problem._asdict() for problem in tally.problems[:SHOWN_PROBLEMS]],
            }
        )
    else:
        print(
            f"{tally.records} records of {len(tally.trace_ids)} traces published to "
            f"{' and '.join(tally.topics) or 'nowhere'}; {len(tally.problems)} bad lines"
        )
    raise typer.Exit(exits.NEGATIVE if tally.problems else exits.OK)


async def _publish(files: list[Path], found: Located, show: Callable[[Tally], None]) -> Tally:
    from streams.cli.sending import connected
    from streams.files.publishing import publish_files

    def tell(problem: Problem) -> None:
        console.fail(str(problem))

    async with connected(found.settings.kafka) as producer:
        return await publish_files(files, producer, show, tell)


def check_files(files: list[Path]) -> None:
    """Raise `ConfigError` before anything is done when a file cannot be read."""
    from schemas.errors import ConfigError

    for file in files:
        try:
            with file.open("rb"):
                pass
        except OSError as error:
            raise ConfigError(f"cannot be read: {error.strerror}", file=str(file)) from None


@contextmanager
def _progress() -> Iterator[Callable[[Tally], None]]:
    """A bar on a terminal, nothing in a pipe."""
    import sys

    if not sys.stderr.isatty():
        yield lambda tally: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("publishing", total=None)
        yield lambda tally: bar.update(
            task, description=f"{tally.records} records, {tally.size_bytes / 2**20:.1f} MB, {len(tally.problems)} bad"
        )
