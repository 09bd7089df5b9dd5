"""A segment of the conformal detector as bytes, and back, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from drift.localise import focus
from drift.localise.change import Change, Level
from drift.room import taken

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from drift.conformal.track import Track
    from drift.detectors.conformal import ConformalBank

FORMAT = 2
AT_ONCE = 4096
"""Rows that are copied in one go."""
LOW = 15
"""Bits of a count that are stored in a row; the rest stands in the line before it."""


def encoded(bank: ConformalBank, rows: NDArray[np.int64]) -> Iterator[bytes]:
    """Of each row one line of JSON, then its row of its track."""
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        bodies: dict[int, bytes] = {}
        for which, track in bank.tracks.items():
            own = some[bank.track_of[some] == which]
            bodies.update(zip(own.tolist(), _bodies(track, bank.place[own]), strict=True))
        for row, line in zip(some.tolist(), _lines(bank, some), strict=True):
            yield line + b"\n" + bodies.get(row, b"")


def _bodies(track: Track, places: NDArray[np.int64]) -> list[bytes]:
    heads, r, counts, hulls = (taken(getattr(track, name), places) for name in track.COLUMNS)
    focus.tidy(hulls)
    for i in np.flatnonzero(np.isin(places, list(track.more))).tolist() if track.more else ():
        # where the split between the two lies depends on how the stream was cut
        counts[i] = track.counted(int(places[i])) & ((1 << LOW) - 1)
    widths = track.widths().values()
    columns = zip((heads, r, counts, hulls), widths, strict=True)
    packed = np.hstack([column.view(np.uint8).reshape(len(places), width) for column, width in columns]).tobytes()
    size = sum(widths)
    return [packed[at : at + size] for at in range(0, len(packed), size)]


def _unpack(track: Track, place: int, body: bytes) -> None:
    for name, width in track.widths().items():
        column = getattr(track, name)
        column[place] = np.frombuffer(body[:width], dtype=column.dtype).reshape(column[:1].shape)[0]
        body = body[width:]


def _lines(bank: ConformalBank, rows: NDArray[np.int64]) -> Iterator[bytes]:
    columns = (bank.track_of[rows], bank.place[rows], bank.reads_verdict[rows])
    form, plain = _form(bank), {}
    for row, which, place, verdict in zip(rows.tolist(), *(c.tolist() for c in columns), strict=True):
        own = _of_its_own(bank, row, which, place)
        if own:
            yield orjson.dumps({"form": form, "track": which, "verdict": verdict, **own})
        else:  # as most of them
            if (which, verdict) not in plain:
                plain[which, verdict] = orjson.dumps({"form": form, "track": which, "verdict": verdict})
            yield plain[which, verdict]


def _of_its_own(bank: ConformalBank, row: int, which: int, place: int) -> dict[str, Any]:
    """What is kept of a segment beside its row."""
    kept: dict[str, Any] = {}
    waiting = bank.waiting.of(row)
    if waiting is not None:
        values, verdicts = waiting
        kept["waiting"] = [[v if isfinite(v) else None for v in values.tolist()], verdicts.tolist()]
    if which and place in bank.tracks[which].more:
        high = bank.tracks[which].counted(place) >> LOW
        kept["more"] = high.ravel().tolist() if high.any() else None
    if row in bank.followed:
        change, *rest = bank.followed[row]
        kept["followed"] = [[*change[:8], list(change.before), list(change.after), change.gain], *rest]
    if bank.blocks is not None:
        kept["block"] = bank.blocks.open[row, : bank.blocks.filled[row]].tolist()
    return kept


def decoded(bank: ConformalBank, row: int, data: bytes) -> bool:
    """Take up a segment. False if it cannot be read (other options, another version): it then begins anew."""
    from drift.detectors.conformal import Followed

    bank.track_of[row] = 0
    bank.waiting.leave(row)
    bank.followed.pop(row, None)
    line, _, body = data.partition(b"\n")
    try:
        head = orjson.loads(line)
        which = head["track"]
        size = sum(bank.tracks[which].widths().values()) if which else 0
        if head["form"] != _form(bank) or len(body) != size:
            return False
    except (orjson.JSONDecodeError, ValueError, TypeError, KeyError):
        return False
    if "waiting" in head:
        values, verdicts = head["waiting"]
        numbers = np.array([np.nan if v is None else v for v in values], dtype=np.float64)
        bank.waiting.put(row, numbers, np.array(verdicts, dtype=np.int8))
    if which:
        bank.start(row, which, head["verdict"], 0, None)
        track, place = bank.tracks[which], int(bank.place[row])
        _unpack(track, place, body)
        if head.get("more"):
            track.more[place] = np.array(head["more"], dtype=np.int64).reshape(track.counts.shape[1:]) << LOW
    if "followed" in head:
        (*moments, before, after, gain), *rest = head["followed"]
        made: list[Any] = [*moments, Level(*before), Level(*after), gain]
        bank.followed[row] = Followed(Change(*made), *rest)
    if bank.blocks is not None:
        bank.blocks.filled[row] = len(head["block"])
        bank.blocks.open[row, : len(head["block"])] = head["block"]
    return True


def _form(bank: ConformalBank) -> list[Any]:
    options = bank.options
    return [FORMAT, options.read, options.scale, options.block, options.calendar]
