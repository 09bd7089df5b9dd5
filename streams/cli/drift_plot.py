"""`evalstream drift plot`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli import console, options

if TYPE_CHECKING:
    from datetime import datetime

    from drift.backtest import Backtest
    from drift.protocol import Observations
    from schemas.measurement import Segment
    from streams.cli.plotting import Picture


def plot(
    segment: Annotated[
        str, typer.Argument(help="The key of a segment as `evalstream drift` shows it, or an evaluator.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help=".png, .svg or .html. Default: the segment's name, .html.",
            show_default=False,
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Measurements as for `backtest`, instead of the warehouse.", show_default=False
        ),
    ] = None,
    start: options.From = None,
    end: options.To = None,
    detector: options.Detectors = None,
    false_alarms_per_day: options.FalseAlarms = None,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Draw a segment: its scores, when they changed and by how much, and the evidence of each detector against its threshold.

    The detectors are run anew over the scores on record (see `evalstream drift backtest`). Needs the extra `plots`.

    Example: evalstream drift plot refusal -o refusal.png
    """
    from drift.backtest import Backtest
    from schemas.errors import ConfigError
    from streams.cli.drift_backtest import chosen
    from streams.cli.locate import locate
    from streams.cli.plotting import drawn
    from streams.cli.reading import moment

    since, until = moment(start, "--from"), moment(end, "--to")
    found, series = _series(segment, file, since, until, config, data)
    if not len(series):
        raise ConfigError(f"nothing was scored in {found.key} at that time", path="SEGMENT")
    target = output or Path(found.key.strip("/").replace("/", "_") + ".html")
    tried = Backtest(chosen(locate(config, data).settings.monitor, detector or [], false_alarms_per_day))
    body = drawn(_picture(tried, found, series), target.suffix.removeprefix(".").lower())
    try:
        target.write_bytes(body)
    except OSError as error:
        raise ConfigError(f"cannot be written: {error.strerror}", file=str(target)) from None
    if as_json:
        console.emit_json({"segment": found.key, "file": str(target), "observations": len(series)})
    else:
        console.note(f"{target}: {len(series)} traces of {found.key}")


def _picture(tried: Backtest, segment: Segment, series: Observations) -> Picture:
    import numpy as np

    from streams.cli.plotting import Picture

    events, courses = tried.follow(series, segment)
    is_verdict = np.count_nonzero(series.passed >= 0) * 2 >= len(series)
    values = np.where(series.passed >= 0, series.passed, np.nan) if is_verdict else series.value
    order = np.argsort(series.time, kind="stable")
    order = order[np.isfinite(values[order])]
    what = "passed" if is_verdict else "value"
    return Picture(segment.key, what, series.time[order], values[order].astype(np.float64), events, courses)


def _series(
    text: str, file: Path | None, since: datetime | None, until: datetime | None, config: Path | None, data: Path | None
) -> tuple[Segment, Observations]:
    from drift.observations import between, joined, of_measurements, selected
    from schemas.errors import InvalidRecord
    from streams.cli.drift_backtest import named, warehouse_of
    from streams.cli.publish import check_files
    from streams.files.measurements import read_measurements

    if file is None:
        with warehouse_of(config, data, [text], None) as (opened, (segment,)):
            return segment, of_measurements(opened.series(segment, since=since, until=until))
    check_files([file])
    parts = []
    for item in read_measurements(file):
        if isinstance(item, InvalidRecord):
            console.fail(item.detail)
        else:
            parts.append(between(item, since, until))
    whole = joined(parts)
    segment = named({s.key: s for s in whole.segments}, text)
    return segment, selected(whole, whole.segment == whole.segments.number(segment.key))
