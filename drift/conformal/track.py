"""Segments of one kind, row by row: a batch goes in, what happened at which observation comes out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drift.conformal import recursion
from drift.conformal.grouping import Groups, Rounds
from drift.conformal.layout import OUTSIDE_MOST, Batch, Kind, head_type
from drift.localise import focus
from drift.localise.change import Change, locate
from drift.room import put, taken, with_room

STRIDE = 4
"""Every fourth observation is a moment at which a change can have begun."""
LARGEST_BATCH = 16_384
LARGEST_SUM = 2**31
FULL_BIN = 2**15
FEW = 8
"""Rows that are not worth a call of numpy."""


@dataclass(slots=True)
class Columns:
    """Observations of rows of a track, in order of arrival.

    Attributes
    ----------
    index : their place in the caller's batch.
    row : of the track.
    value : 0 or 1 for pass/fail.
    time : Unix s, 0 to 2^32 - 1.
    cell : of the calendar.
    patience : R at which to raise an alarm.
    """

    index: NDArray[np.int64]
    row: NDArray[np.int64]
    value: NDArray[np.float64]
    time: NDArray[np.int64]
    cell: NDArray[np.int64]
    patience: NDArray[np.float64]

    def take(self, chosen: NDArray[np.int64] | slice) -> Columns:
        """Some of them."""
        return Columns(*(getattr(self, name)[chosen] for name in Columns.__slots__))


class Event(NamedTuple):
    """What happened in a row, right after the observation at `position` of the caller's batch. `statistic` is the mean of R, `bet` the one that won most."""

    what: Literal["alarm", "due", "outgrown"]
    position: int
    row: int
    time: int
    statistic: float = 0.0
    patience: float = 0.0
    bet: int = 0


class Track:
    """Arrays of one kind of segment, a row each: together 330 bytes for pass/fail and 492 for graded scores, without a calendar.

    Parameters
    ----------
    cells : of the calendar; each has a histogram of its own.

    Attributes
    ----------
    heads : see `head_type`.
    r : of each bet. float32[rows, bets]
    counts : the histograms. uint[rows, cells, bins]
    hulls : see `focus.HULL_FIELDS`.
    more : counts beyond what fits into 16 bits, by row.
    """

    COLUMNS = "heads", "r", "counts", "hulls"

    def __init__(self, kind: Kind, cells: int = 1) -> None:
        self.kind = kind
        self.cells = cells
        self.size = 0
        self.heads = np.zeros(16, dtype=head_type(kind))
        self.r = np.zeros((16, len(kind.says)), dtype=np.float32)
        self.counts = np.zeros((16, cells, kind.bins), dtype=kind.counts_type)
        self.hulls = np.zeros(16, dtype=focus.HULL_FIELDS)
        self.more: dict[int, NDArray[np.int64]] = {}

    def widths(self) -> dict[str, int]:
        """Bytes of a row, by column."""
        return {name: getattr(self, name)[:1].nbytes for name in self.COLUMNS}

    def add(self, seed: int, time: int) -> int:
        """A new row, whose epoch begins at this time."""
        row, self.size = self.size, self.size + 1
        for name in self.COLUMNS:
            setattr(self, name, with_room(getattr(self, name), self.size))
        self.heads["seed"][row] = seed
        self.begin(row, time)
        return row

    def begin(self, row: int, time: int) -> None:
        """A new epoch, of which nothing is known yet."""
        self._forget(row)
        for name in ("n", "s", "due"):
            self.heads[name][row] = 0
        focus.begin(self.hulls, np.array([row]), np.array([time]))

    def begin_at(self, row: int, change: Change, due_after: int) -> None:
        """A new epoch, that began with `change`: what was observed since counts in the levels of the next change. The bets begin
        now, for those observations were chosen by the alarm. The row is due after `due_after` more."""
        self._forget(row)
        self._cut(row, change.t, change.s, int(change.at))
        self.heads["due"][row] = int(self.heads["n"][row]) + due_after

    def change(self, row: int, time: int) -> Change | None:
        """The likeliest change in the epoch, as of now."""
        head, hull = self.heads[row], self.hulls[row]
        hulls = focus.corners(hull, focus.RISE), focus.corners(hull, focus.FALL)
        return locate(hulls, int(head["n"]), int(head["s"]), time, self.variance(row))

    def variance(self, row: int) -> float | None:
        """Of what the bets of a row have seen; None for pass/fail."""
        return self.kind.variance(self.heads[row], self.counted(row).sum(axis=0))

    def counted(self, row: int) -> NDArray[np.int64]:
        """The histograms of a row, int[cells, bins]."""
        counts: NDArray[np.int64] = self.counts[row].astype(np.int64)
        return counts + self.more.get(row, 0)

    def feed(self, given: Columns) -> Iterator[Event]:
        """Take up observations, and stop a row at each of its events until the caller, having acted on it, goes on."""
        for start in range(0, len(given.row), LARGEST_BATCH):
            part = given.take(slice(start, start + LARGEST_BATCH))
            while len(part.row):
                events, part = self._pass(part)
                yield from events

    def _pass(self, given: Columns) -> tuple[list[Event], Columns]:
        groups = Groups(given.row)
        part, rounds, rows, of = given.take(groups.order), Rounds(groups), groups.keys, groups.of
        heads, n = taken(self.heads, rows), groups.rank + 1
        fine, outside = self.kind.places(heads, of, part.value)
        histograms = groups.sorted() if self.cells == 1 else Groups(part.row * self.cells + part.cell)
        counts = self._histograms(rows if self.cells == 1 else histograms.keys)
        bins = self.kind.bin(heads, of, fine)
        paid = self.kind.pay(Batch(groups, rounds, histograms, bins), counts, heads)
        r, mean = recursion.run(rounds, taken(self.r, rows[rounds.groups]), paid)
        back = rounds.back

        t = heads["n"].astype(np.int64)[of] + n
        sums = heads["s"].astype(np.int64)[of] + groups.sums(fine)
        alarm = mean[back] >= part.patience
        due = t == heads["due"][of]
        outgrown, beyond = self.kind.outgrown(heads, groups, outside, t)
        stop = groups.first(alarm | due | outgrown | (sums >= LARGEST_SUM))
        last = groups.starts + np.minimum(stop, groups.lengths - 1)
        kept = groups.rank <= stop[of]

        heads["n"], heads["s"] = t[last], sums[last]
        heads["seen"] += n[last].astype(np.uint32)
        if beyond is not None:
            heads["outside"] = np.minimum(beyond[last], OUTSIDE_MOST)
        put(self.heads, rows, heads)
        put(self.r, rows, taken(r, back[last]))
        self._count(part.row[kept], part.cell[kept], bins[kept])
        self._push(groups, np.flatnonzero(kept & (t % STRIDE == 0)), part, t, sums)

        events = []
        for group in np.flatnonzero(stop < groups.lengths).tolist():
            at = int(last[group])
            place = int(part.index[at]), int(rows[group]), int(part.time[at])
            if alarm[at]:
                bet = int(self.r[rows[group]].argmax())
                events.append(Event("alarm", *place, float(mean[back[at]]), float(part.patience[at]), bet))
            elif outgrown[at]:
                row = int(rows[group])
                self.kind.grow(self.heads, row, self.counted(row).sum(axis=0), float(part.value[at]))
                self.begin(row, int(part.time[at]))
                events.append(Event("outgrown", *place))
            elif due[at]:
                events.append(Event("due", *place))
            else:
                self._shorten(int(rows[group]))
        return events, given.take(np.sort(groups.order[~kept]))

    def _histograms(self, keys: NDArray[np.int64]) -> NDArray[Any]:
        """By row and cell, int[keys, bins]."""
        counts: NDArray[Any] = taken(self.counts.reshape(-1, self.kind.bins), keys)
        rows = keys // self.cells
        large = np.flatnonzero(np.isin(rows, list(self.more))).tolist() if self.more else ()
        if large:
            counts = counts.astype(np.int64)
        for place in large:
            counts[place] += self.more[int(rows[place])][int(keys[place]) % self.cells]
        return counts

    def _count(self, row: NDArray[np.int64], cell: NDArray[np.int64], bins: NDArray[np.int64]) -> None:
        """Add to the histograms."""
        counts, places = self.counts.reshape(-1), (row * self.cells + cell) * self.kind.bins + bins
        np.add.at(counts, places, counts.dtype.type(1))
        if self.kind.counts_type is np.uint16:
            for full in np.unique(row[counts[places] >= FULL_BIN]).tolist():
                self.more[full] = self.more.get(full, 0) + self.counts[full].astype(np.int64)
                self.counts[full] = 0

    def _push(
        self, groups: Groups, places: NDArray[np.int64], part: Columns, t: NDArray[np.int64], sums: NDArray[np.int64]
    ) -> None:
        """Points for the hulls: the first of every row, then the second of those that have one, …"""
        if not len(places):
            return
        again = Groups(groups.of[places])
        number = 0
        while np.count_nonzero(again.lengths > number) > FEW:
            chosen = places[again.starts[again.lengths > number] + number]
            focus.push(self.hulls, part.row[chosen], t[chosen], sums[chosen], part.time[chosen])
            number += 1
        for group in np.flatnonzero(again.lengths > number).tolist():
            chosen = places[np.arange(number, again.lengths[group]) + again.starts[group]]
            points = zip(t[chosen].tolist(), sums[chosen].tolist(), part.time[chosen].tolist(), strict=True)
            focus.push_one_by_one(self.hulls[int(part.row[chosen[0]])], points)

    def _shorten(self, row: int) -> None:
        """The sums no longer fit: the epoch loses its older half for the levels. The bets go on."""
        hull, n = self.hulls[row], int(self.heads["n"][row])
        corners = [c for side in (focus.RISE, focus.FALL) for c in zip(*focus.corners(hull, side), strict=True) if c[0]]
        t, s, at = (int(v) for v in min(corners, key=lambda c: (abs(2 * c[0] - n), c[1])))
        self._cut(row, t, s, at)
        self.heads["due"][row] = 0

    def _cut(self, row: int, t: int, s: int, at: int) -> None:
        focus.begin_at(self.hulls, row, t, s, at)
        self.heads["n"][row] -= np.uint32(t)
        self.heads["s"][row] -= np.uint32(s)

    def _forget(self, row: int) -> None:
        """What the bets know."""
        self.r[row] = 0
        self.counts[row] = 0
        self.more.pop(row, None)
        self.kind.forget(self.heads, row)
