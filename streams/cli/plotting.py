"""A segment as a picture: its scores, when they changed and by how much, and each detector's evidence against its c.

Drawn with matplotlib (the extra `plots`), without a display. HTML is one file that needs nothing else: the picture as SVG and
the changes as a table.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drift.spread import evenly
from schemas.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from drift.backtest import Course
    from schemas.drift_event import DriftEvent

FORMATS = ("png", "svg", "html")
SMOOTHED_TO = 60
"""About so many independent points in the line."""
LEAST_WINDOW = 10
MOST_DOTS = 5_000
SEED = "evalstream"  # ids inside an SVG are the same in every run
COLOURS = {"line": "#1f6f8b", "dots": "#9bb8c4", "before": "#2e7d32", "after": "#c62828", "limit": "#555555"}


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn. `times` in Unix s, ascending; `what`: the unit of `values`."""

    title: str
    what: str
    times: NDArray[np.float64]
    values: NDArray[np.float64]
    events: Sequence[DriftEvent]
    courses: Sequence[Course]


def drawn(picture: Picture, form: str) -> bytes:
    """The picture as a file of this format.

    Raises
    ------
    ConfigError : matplotlib is not installed, or another format.
    """
    if form not in FORMATS:
        raise ConfigError(f"{form!r} cannot be written; there is {', '.join(FORMATS)}", path="--output")
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError("drawing needs matplotlib: pip install 'evalstream[plots]'", path="--output") from None
    with matplotlib.rc_context({"svg.hashsalt": SEED, "font.size": 9}):
        figure = Figure(figsize=(11, 4.2 + 1.8 * len(picture.courses)), layout="constrained")
        _draw(figure, picture)
        body = io.BytesIO()
        if form == "png":
            figure.savefig(body, format="png", dpi=120)
            return body.getvalue()
        figure.savefig(body, format="svg", metadata={"Date": None})
    return body.getvalue() if form == "svg" else _page(picture, body.getvalue().decode())


def smoothed(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """The mean of the last `window` values at each place from the first whole window on, and the window."""
    window = min(len(values), max(LEAST_WINDOW, len(values) // SMOOTHED_TO))
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return (sums[window:] - sums[:-window]) / max(window, 1), window


def _draw(figure: Figure, picture: Picture) -> None:
    rows = 1 + len(picture.courses)
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=[2.4, *[1.0] * (rows - 1)])[:, 0]
    _draw_scores(axes[0], picture)
    for axis, course in zip(axes[1:], picture.courses, strict=True):
        _draw_course(axis, course, [e for e in picture.events if e.detector == course.detector])
    axes[-1].set_xlabel("time (UTC)")
    figure.suptitle(picture.title, x=0.01, ha="left", fontweight="bold")


def _draw_scores(axis: Any, picture: Picture) -> None:
    times, values = picture.times, picture.values
    line, window = smoothed(values)
    shown = evenly(len(times), MOST_DOTS)
    axis.plot(_dates(times[shown]), values[shown], ".", ms=2.5, color=COLOURS["dots"], label="one trace")
    axis.plot(_dates(times[window - 1 :]), line, color=COLOURS["line"], lw=1.5, label=f"mean of {window} traces")
    latest = {e.revises or e.event_id: e for e in picture.events}  # of a size told several times, the last
    ends = [_time(e.changed_at or e.detected_at) for e in latest.values()] + [float(times[-1])]
    start = float(times[0])
    for event, end in zip(latest.values(), ends[1:], strict=True):
        changed = _time(event.changed_at or event.detected_at)
        if event.changed_earliest and event.changed_latest:
            axis.axvspan(event.changed_earliest, event.changed_latest, color=COLOURS["after"], alpha=0.12, lw=0)
        first = start == float(times[0])  # one entry of the legend for all of them
        changed_label, found_label = ("changed", "found") if first else (None, None)
        axis.axvline(event.changed_at or event.detected_at, color=COLOURS["after"], lw=1, label=changed_label)
        axis.axvline(event.detected_at, color=COLOURS["limit"], lw=0.8, ls=":", label=found_label)
        if event.kind == "score":
            _level(axis, start, changed, event.before, event.before_low, event.before_high, "before")
            _level(axis, changed, end, event.after, event.after_low, event.after_high, "after")
        start = changed
    axis.set_ylabel(picture.what)
    axis.legend(loc="best", fontsize=8, framealpha=0.8)
    axis.grid(alpha=0.25)


def _level(
    axis: Any, start: float, end: float, value: float | None, low: float | None, high: float | None, side: str
) -> None:
    if value is None or end <= start:
        return
    span = _dates(np.array([start, end]))
    axis.plot(span, [value, value], color=COLOURS[side], lw=1.3, ls="--")
    if low is not None and high is not None:
        axis.fill_between(span, low, high, color=COLOURS[side], alpha=0.10, lw=0)


def _draw_course(axis: Any, course: Course, events: Sequence[DriftEvent]) -> None:
    """The evidence on a logarithmic scale; an alarm ends it, and it begins anew."""
    times, least = _dates(np.array(course.times)), 1e-2
    axis.plot(times, np.maximum(course.evidence, least), color=COLOURS["line"], lw=1.2, label="evidence")
    axis.plot(times, course.patience, color=COLOURS["limit"], lw=1, ls="--", label="c")
    found = [(e.detected_at, e.statistic) for e in events if e.statistic is not None and e.revision == 0]
    if found:
        axis.plot([at for at, _ in found], [s for _, s in found], "^", color=COLOURS["after"], ms=6, label="alarm")
    axis.set_yscale("log")
    axis.set_ylabel(course.detector)
    axis.legend(loc="best", fontsize=8, framealpha=0.8)
    axis.grid(alpha=0.25)


def _page(picture: Picture, svg: str) -> bytes:
    rows = "\n".join(
        f"<tr><td>{_moment(e.changed_at)}</td><td>{_moment(e.detected_at)}</td><td>{escape(e.detector)}</td>"
        f"<td>{escape(e.change.replace('_', ' '))}</td><td>{escape(e.explanation)}</td></tr>"
        for e in picture.events
    )
    head = "<tr><th>changed</th><th>found</th><th>detector</th><th>change</th><th>what</th></tr>"
    table = f"<table>{head}{rows}</table>" if rows else "<p>No change was found.</p>"
    style = (
        "body{font:14px system-ui,sans-serif;margin:1.5rem;max-width:75rem}svg{width:100%;height:auto}"
        "td,th{text-align:left;vertical-align:top;padding:.25rem .8rem .25rem 0;border-bottom:1px solid #ddd}"
    )
    drawing = svg[svg.index("<svg") :]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(picture.title)}</title>'
        f"<style>{style}</style><body>{drawing}{table}</body></html>\n"
    ).encode()


def _dates(times: NDArray[np.float64]) -> NDArray[np.datetime64]:
    return (times * 1e6).astype("datetime64[us]")


def _time(at: datetime) -> float:
    return at.timestamp()


def _moment(at: datetime | None) -> str:
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
