"""Segments of one kind, row by row: a batch goes in, what happened at which observation comes out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drift.conformal import recursion
from drift.conformal.grouping import Groups, Rounds
from drift.conformal.layout import OUTSIDE_MOST, Batch, Kind, row_type
from drift.localise import focus
from drift.localise.change import Change, locate

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
    """Arrays of one kind of segment.

    Parameters
    ----------
    cells : of the calendar; each has a histogram of its own.
    """

    def __init__(self, kind: Kind, cells: int = 1) -> None:
        self.kind = kind
        self.cells = cells
        self.size = 0
        self.store = np.zeros(16, dtype=row_type(kind, cells))
        self.more: dict[int, NDArray[np.int64]] = {}
        """Counts beyond what fits into 16 bits, by row."""

    def add(self, seed: int, time: int) -> int:
        """A new row, whose epoch begins at this time."""
        row = self.size
        if row == len(self.store):
            self.store = np.concatenate([self.store, np.zeros(max(16, row // 16), dtype=self.store.dtype)])
        self.size += 1
        self.store["seed"][row] = seed
        self.begin(row, time)
        return row

    def begin(self, row: int, time: int) -> None:
        """A new epoch, of which nothing is known yet."""
        self._forget(row)
        for name in ("n", "s", "due"):
            self.store[name][row] = 0
        focus.begin(self.store, np.array([row]), np.array([time]))

    def begin_at(self, row: int, change: Change, due_after: int) -> None:
        """A new epoch, that began with `change`: what was observed since counts in the levels of the next change. The bets begin
        now, for those observations were chosen by the alarm. The row is due after `due_after` more."""
        self._forget(row)
        self._cut(row, change.t, change.s, int(change.at))
        self.store["due"][row] = int(self.store["n"][row]) + due_after

    def change(self, row: int, time: int) -> Change | None:
        """The likeliest change in the epoch, as of now."""
        element = self.store[row]
        hulls = focus.corners(element, focus.RISE), focus.corners(element, focus.FALL)
        return locate(hulls, int(element["n"]), int(element["s"]), time, self.variance(row))

    def variance(self, row: int) -> float | None:
        """Of what the bets of a row have seen; None for pass/fail."""
        return self.kind.variance(self.store[row], self.counts(row).sum(axis=0))

    def counts(self, row: int) -> NDArray[np.int64]:
        """The histograms of a row, int[cells, bins]."""
        counts: NDArray[np.int64] = self.store["counts"][row].astype(np.int64)
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
        store, n = self.store, groups.rank + 1
        fine, outside = self.kind.places(store, part.row, part.value)
        histograms = groups.sorted() if self.cells == 1 else Groups(part.row * self.cells + part.cell)
        counts = self._histograms(histograms.keys)
        bins = self.kind.bin(store, part.row, fine)
        paid = self.kind.pay(Batch(groups, rounds, histograms, part.row, bins), counts, store)
        r, mean = recursion.run(rounds, store["r"][rows[rounds.groups]], paid)
        back = rounds.back

        t = store["n"][rows].astype(np.int64)[of] + n
        sums = store["s"][rows].astype(np.int64)[of] + groups.sums(fine)
        alarm = mean[back] >= part.patience
        due = t == store["due"][rows][of]
        outgrown, beyond = self.kind.outgrown(store, groups, outside, t)
        stop = groups.first(alarm | due | outgrown | (sums >= LARGEST_SUM))
        last = groups.starts + np.minimum(stop, groups.lengths - 1)
        kept = groups.rank <= stop[of]

        store["r"][rows] = r[back[last]]
        store["n"][rows] = t[last]
        store["s"][rows] = sums[last]
        store["seen"][rows] += n[last].astype(np.uint32)
        if beyond is not None:
            store["outside"][rows] = np.minimum(beyond[last], OUTSIDE_MOST)
        self._count(part.row[kept], part.cell[kept], bins[kept], once=len(rows) == len(t))
        self._push(groups, np.flatnonzero(kept & (t % STRIDE == 0)), part, t, sums)

        events = []
        for group in np.flatnonzero(stop < groups.lengths).tolist():
            at = int(last[group])
            place = int(part.index[at]), int(rows[group]), int(part.time[at])
            if alarm[at]:
                bet = int(store["r"][rows[group]].argmax())
                events.append(Event("alarm", *place, float(mean[back[at]]), float(part.patience[at]), bet))
            elif outgrown[at]:
                self.kind.grow(
                    store, int(rows[group]), self.counts(int(rows[group])).sum(axis=0), float(part.value[at])
                )
                self.begin(int(rows[group]), int(part.time[at]))
                events.append(Event("outgrown", *place))
            elif due[at]:
                events.append(Event("due", *place))
            else:
                self._shorten(int(rows[group]))
        return events, given.take(np.sort(groups.order[~kept]))

    def _histograms(self, keys: NDArray[np.int64]) -> NDArray[Any]:
        """By row and cell, int[keys, bins]."""
        rows, cells = np.divmod(keys, self.cells)
        counts = self.store["counts"][rows, cells]
        large = np.flatnonzero(np.isin(rows, list(self.more))).tolist() if self.more else ()
        if large:
            counts = counts.astype(np.int64)
        for place in large:
            counts[place] += self.more[int(rows[place])][cells[place]]
        return counts

    def _count(self, row: NDArray[np.int64], cell: NDArray[np.int64], bins: NDArray[np.int64], *, once: bool) -> None:
        """Add to the histograms; `once`: each row comes once."""
        counts = self.store["counts"]
        if once:
            counts[row, cell, bins] += 1
        else:
            places, times = np.unique((row * self.cells + cell) * self.kind.bins + bins, return_counts=True)
            counts[np.unravel_index(places, counts.shape)] += times.astype(counts.dtype)
        if self.kind.counts_type is np.uint16:
            for full in np.unique(row[counts[row, cell, bins] >= FULL_BIN]).tolist():
                self.more[full] = self.more.get(full, 0) + counts[full].astype(np.int64)
                counts[full] = 0

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
            focus.push(self.store, part.row[chosen], t[chosen], sums[chosen], part.time[chosen])
            number += 1
        for group in np.flatnonzero(again.lengths > number).tolist():
            chosen = places[np.arange(number, again.lengths[group]) + again.starts[group]]
            points = zip(t[chosen].tolist(), sums[chosen].tolist(), part.time[chosen].tolist(), strict=True)
            focus.push_one_by_one(self.store[int(part.row[chosen[0]])], points)

    def _shorten(self, row: int) -> None:
        """The sums no longer fit: the epoch loses its older half for the levels. The bets go on."""
        element = self.store[row]
        corners = [
            c for side in (focus.RISE, focus.FALL) for c in zip(*focus.corners(element, side), strict=True) if c[0]
        ]
        t, s, at = (int(v) for v in min(corners, key=lambda c: (abs(2 * c[0] - int(element["n"])), c[1])))
        self._cut(row, t, s, at)
        self.store["due"][row] = 0

    def _cut(self, row: int, t: int, s: int, at: int) -> None:
        focus.begin_at(self.store, row, t, s, at)
        self.store["n"][row] -= np.uint32(t)
        self.store["s"][row] -= np.uint32(s)

    def _forget(self, row: int) -> None:
        """What the bets know."""
        self.store["r"][row] = 0
        self.store["counts"][row] = 0
        self.more.pop(row, None)
        self.kind.forget(self.store, row)
