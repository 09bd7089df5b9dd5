"""`evalstream drift backtest`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams import exits
from streams.cli import console, options
from streams.cli.drift_table import show_events
from streams.cli.progress import progress

if TYPE_CHECKING:
    from datetime import datetime

    from drift.backtest import Backtest
    from schemas.drift_event import DriftEvent
    from schemas.measurement import Measurement, Segment
    from schemas.settings import DetectorSettings, MonitorSettings
    from sinks.warehouse import Warehouse

BATCH = 10_000


def backtest(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="JSON lines or CSV (time, value[, passed, label, segment]), or records of `measurements`; may be .gz. "
            "Default: the scores in the warehouse.",
            show_default=False,
        ),
    ] = None,
    start: options.From = None,
    end: options.To = None,
    segment: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="Only this segment of the warehouse (repeatable).", show_default=False),
    ] = None,
    evaluator: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this evaluator of the warehouse.", show_default=False)
    ] = None,
    detector: options.Detectors = None,
    false_alarms_per_day: options.FalseAlarms = None,
    config: options.Config = None,
    data: options.Data = None,
    as_json: options.Json = False,
) -> None:
    """Show what detectors would have raised on past data: of a file, or of the scores in the warehouse.

    The order is that of the file, or of event times; the stream itself is read in order of arrival. Vectors are not in the
    warehouse: detectors of embeddings can be tried on records of `measurements` only.

    Example: evalstream drift backtest scores.csv --detector adwin:delta=0.01
    """
    from drift.backtest import Backtest
    from streams.cli.locate import locate
    from streams.cli.reading import moment

    settings = chosen(locate(config, data).settings.monitor, detector or [], false_alarms_per_day)
    tried = Backtest(settings, "--detector" if detector else "monitor.detectors")
    since, until = moment(start, "--from"), moment(end, "--to")
    if file is not None:
        if segment or evaluator:
            raise typer.BadParameter("--segment and --evaluator choose from the warehouse, not from a file")
        events, bad = _of_file(tried, file, since, until)
    else:
        events, bad = _of_warehouse(tried, warehouse_of(config, data, segment or [], evaluator), since, until), 0
    show_events(events, as_json=as_json)
    names = ", ".join(d.name or d.type for d in settings.detectors)
    console.note(f"{tried.observations} observations read by {names}: {len(events)} drift events")
    if bad:
        console.note(f"{bad} bad lines were left out")
    raise typer.Exit(exits.NEGATIVE if bad else exits.OK)


def chosen(settings: MonitorSettings, detectors: Sequence[str], rate: float | None) -> MonitorSettings:
    """The settings, with other detectors or another rate of false alarms.

    Raises
    ------
    ConfigError : a detector is not written as TYPE:OPTION=VALUE, or the rate is not positive.
    """
    changes: dict[str, Any] = {}
    if detectors:
        changes["detectors"] = tuple(_detector(text) for text in detectors)
    if rate is not None:
        changes["false_alarms_per_day"] = rate
    return settings.model_copy(update=changes)


def _detector(text: str) -> DetectorSettings:
    from pydantic import ValidationError

    from schemas.errors import ConfigError
    from schemas.settings import DetectorSettings

    kind, _, rest = text.partition(":")
    options: dict[str, Any] = {}
    for part in rest.split(",") if rest else ():
        name, equals, value = part.partition("=")
        if not equals:
            raise ConfigError(f"{part!r} is no OPTION=VALUE", path=f"--detector {text}")
        options[name.strip()] = value.strip()
    shown = "-".join([kind, *(f"{name}-{value}" for name, value in options.items())])
    try:
        return DetectorSettings(type=kind, name=shown, options=options)
    except ValidationError:
        raise ConfigError("is no TYPE:OPTION=VALUE,…", path=f"--detector {text}") from None


def _of_file(
    tried: Backtest, file: Path, since: datetime | None, until: datetime | None
) -> tuple[list[DriftEvent], int]:
    """The changes, and how many lines were bad."""
    from drift.observations import between
    from schemas.errors import InvalidRecord
    from streams.cli.publish import check_files
    from streams.files.measurements import read_measurements

    check_files([file])
    events, bad = [], 0
    with progress("observations") as advance:
        for item in read_measurements(file):
            if isinstance(item, InvalidRecord):
                bad += 1
                console.fail(item.detail)
                continue
            events += tried.feed(between(item, since, until))
            advance(len(item))
    return events, bad


def _of_warehouse(
    tried: Backtest, warehouse: AbstractContextManager[tuple[Warehouse, list[Segment]]], since: Any, until: Any
) -> list[DriftEvent]:
    from heapq import merge
    from itertools import islice

    from drift.observations import of_measurements

    series: list[list[Measurement]] = []
    with warehouse as (opened, segments), progress("segments", len(segments)) as advance:
        for one in segments:
            series.append(opened.series(one, since=since, until=until))
            advance(1)
    ordered = merge(*series, key=lambda m: (m.event_time, m.trace_id, m.segment.key))
    events: list[DriftEvent] = []
    with progress("observations", sum(map(len, series))) as advance:
        while part := list(islice(ordered, BATCH)):
            events += tried.feed(of_measurements(part))
            advance(len(part))
    return events


@contextmanager
def warehouse_of(
    config: Path | None, data: Path | None, keys: Sequence[str], evaluator: str | None
) -> Iterator[tuple[Warehouse, list[Segment]]]:
    """The warehouse, and those of its segments that are meant: all, those of an evaluator, or those named by their keys.

    Raises
    ------
    ConfigError : a name that fits no segment, or several.
    """
    from streams.cli.reading import reading

    with reading(config, data) as opened:
        known = {s.key: s for s in opened.scored_segments()}
        known |= {s.key: s for s, _ in opened.segment_counts()}
        if keys:
            yield opened, [named(known, key) for key in keys]
        else:
            yield opened, [s for _, s in sorted(known.items()) if evaluator is None or s.evaluator == evaluator]


def named(known: Mapping[str, Segment], text: str) -> Segment:
    """The segment with this key, or the only evaluator of this name."""
    from schemas.errors import ConfigError

    if text in known:
        return known[text]
    fitting = [s for s in known.values() if s.evaluator == text and s.dimension is None]
    if len(fitting) == 1:
        return fitting[0]
    near = sorted(s.key for s in fitting) or [key for key in sorted(known) if text in key][:5] or sorted(known)[:5]
    what = "is the name of several segments" if fitting else "is no segment on record"
    raise ConfigError(f"{text!r} {what}; there is {', '.join(near) or 'none'}", path="SEGMENT")
