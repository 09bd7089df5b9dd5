"""A segment of the conformal detector as bytes, and back, bit for bit."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from drift.localise import focus
from drift.localise.change import Change, Level

if TYPE_CHECKING:
    from drift.detectors.conformal import ConformalBank

FORMAT = 1


def encoded(bank: ConformalBank, row: int) -> bytes:
    """One line of JSON, then the segment's row of its track."""
    which, place = int(bank.track_of[row]), int(bank.place[row])
    head: dict[str, Any] = {"form": _form(bank), "track": which, "verdict": bool(bank.reads_verdict[row])}
    body = b""
    waiting = bank.waiting.of(row)
    if waiting is not None:
        values, verdicts = waiting
        head["waiting"] = [[v if isfinite(v) else None for v in values.tolist()], verdicts.tolist()]
    if which:
        track = bank.tracks[which]
        element = track.store[place].copy()
        focus.tidy(element)
        if place in track.more:  # where the split between the two lies depends on how the stream was cut
            counts = track.counts(place)
            element["counts"] = counts & 0x7FFF
            head["more"] = (counts >> 15).ravel().tolist() if (counts >> 15).any() else None
        body = element.tobytes()
    if row in bank.followed:
        change, *rest = bank.followed[row]
        head["followed"] = [[*change[:8], list(change.before), list(change.after), change.gain], *rest]
    if bank.blocks is not None:
        bank.blocks.reserve(row)
        head["block"] = bank.blocks.open[row, : bank.blocks.filled[row]].tolist()
    return orjson.dumps(head) + b"\n" + body


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
        size = bank.tracks[which].store.dtype.itemsize if which else 0
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
        track.store[place] = np.frombuffer(body, dtype=track.store.dtype)[0]
        if head.get("more"):
            track.more[place] = np.array(head["more"], dtype=np.int64).reshape(track.store["counts"].shape[1:]) << 15
    if "followed" in head:
        (*moments, before, after, gain), *rest = head["followed"]
        made: list[Any] = [*moments, Level(*before), Level(*after), gain]
        bank.followed[row] = Followed(Change(*made), *rest)
    if bank.blocks is not None:
        bank.blocks.reserve(row)
        bank.blocks.filled[row] = len(head["block"])
        bank.blocks.open[row, : len(head["block"])] = head["block"]
    return True


def _form(bank: ConformalBank) -> list[Any]:
    options = bank.options
    return [FORMAT, options.read, options.scale, options.block, options.calendar]
