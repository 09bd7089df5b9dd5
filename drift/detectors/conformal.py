"""The conformal Shiryaev-Roberts e-detector for scores: have a segment's scores changed, when, and by how much?

The guarantee: if the observations of a segment's epoch are exchangeable, whatever their distribution, the mean number of
observations to a false alarm is at least the patience c, and a false alarm within N observations has at most the probability N / c.
See docs/concepts/drift.md for what is proven, what is measured, and what breaks the assumption.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from drift.conformal import randomiser
from drift.conformal.blocks import Blocks
from drift.conformal.calendar import Calendar, calendar_cells, calendar_size
from drift.conformal.layout import Graded, PassFail
from drift.conformal.recursion import mean
from drift.conformal.scale import Scale, Shape, chosen_scale
from drift.conformal.track import Columns, Event, Track
from drift.conformal.waiting import WaitingRoom
from drift.detectors.conformal_state import decoded, encoded
from drift.detectors.rows import NO_ROOM, SegmentRows
from drift.localise.change import Change, settled
from drift.localise.report import Reading, moment, moved
from drift.protocol import SCORED, Detection, Observations
from drift.room import with_room
from drift.table import SegmentTable
from schemas.settings import Section
from schemas.state_row import StateRow

LATEST_TIME = 2**32 - 1
LARGEST_VALUE = 1e15
WAITING, PASS_FAIL, GRADED = 0, 1, 2


class ConformalOptions(Section):
    """Options of `conformal`."""

    patience: float | None = Field(
        None, ge=100, description="Mean observations to a false alarm; default: from `monitor.false_alarms_per_day`."
    )
    read: Literal["auto", "verdict", "value"] = Field(
        "auto", description="auto: the verdict, where it says as much as the value."
    )
    scale: Shape = Field("auto", description="Of values: [0, 1], positive, or any; auto: by the first 20 of a segment.")
    block: int = Field(
        1, ge=1, le=100, description="Look at means of so many traces, where traces resemble those before."
    )
    calendar: Calendar | None = Field(
        None,
        description="Compare with the same hour of the day or week only; a day or week passes before it finds anything.",
    )
    settle: int = Field(200, ge=10, le=10_000, description="A change is measured again after so many observations.")
    max_segments: int | None = Field(None, ge=1, description="Further segments are not watched, and counted.")


class Followed(NamedTuple):
    """A change that is to be measured again: sums at the alarm, of the epoch that then began."""

    change: Change
    n: int
    s: int
    observations: int
    statistic: float
    patience: float
    bet: int


class ConformalBank:
    """Conformal e-detectors for every segment, in arrays."""

    def __init__(self, kind: str, options: ConformalOptions, evaluators: Collection[str] | None = None) -> None:
        self.kind = kind
        self.dropped: Counter[str] = Counter()
        self.options = options
        self.rows = SegmentRows(evaluators, options.max_segments)
        cells = calendar_size(options.calendar)
        self.graded_kind = Graded()
        self.tracks = {PASS_FAIL: Track(PassFail(), cells), GRADED: Track(self.graded_kind, cells)}
        self.owners = {PASS_FAIL: array("i"), GRADED: array("i")}
        self.track_of = np.zeros(16, dtype=np.int8)
        self.place = np.zeros(16, dtype=np.int32)
        self.reads_verdict = np.zeros(16, dtype=np.bool_)
        self.waiting = WaitingRoom()
        self.followed: dict[int, Followed] = {}
        self.blocks = Blocks(options.block) if options.block > 1 else None
        self._dirty = np.zeros(16, dtype=np.bool_)
        self._patience = math.inf if options.patience is None else options.patience / options.block

    def share(self, table: SegmentTable) -> None:
        self.rows.share(table)

    def update(self, observations: Observations) -> list[Detection]:
        values = np.where(np.abs(observations.value) <= LARGEST_VALUE, observations.value, np.nan)
        usable = (observations.passed >= 0) | np.isfinite(values)
        rows = self.rows.of(observations, (observations.outcome == SCORED) & usable).astype(np.int64)
        self.dropped["detector_segments"] += int(np.count_nonzero(rows == NO_ROOM))
        self.reserve(len(self.rows))
        index = np.flatnonzero(rows >= 0)
        self._dirty[rows[index]] = True
        index = index[self._past_waiting(observations, values, index, rows)]
        rows = rows[index]
        verdicts = self.reads_verdict[rows]
        value = np.where(verdicts, observations.passed[index], values[index])
        known = np.isfinite(value) & (value >= np.where(verdicts, 0, -np.inf))
        self.dropped["detector_value"] += int(np.count_nonzero(~known))
        index, rows, value = index[known], rows[known], value[known]
        patience = observations.patience[index]
        if self.options.patience is not None:
            patience = np.full(len(index), self.options.patience)
        if self.blocks is not None:
            done, value = self.blocks.close(rows, value)
            index, rows, patience = index[done], rows[done], patience[done] / self.options.block
        self._patience = float(patience[-1]) if len(patience) else self._patience
        time = np.clip(observations.time[index], 0, LATEST_TIME).astype(np.int64)
        found: list[Detection] = []
        for which, track in self.tracks.items():
            own = np.flatnonzero(self.track_of[rows] == which)
            if len(own):
                cell = calendar_cells(self.options.calendar, time[own])
                columns = Columns(
                    index[own], self.place[rows[own]].astype(np.int64), value[own], time[own], cell, patience[own]
                )
                for event in track.feed(columns):
                    found += self._acted(which, track, event)
        return sorted(found, key=lambda detection: detection.index)

    def dirty(self) -> list[StateRow]:
        changed = self.rows.by_key(np.flatnonzero(self._dirty).tolist())
        self._dirty[:] = False
        states = encoded(self, np.array([row for _, row in changed], dtype=np.int64))
        return [StateRow(self.kind, key, state) for (key, _), state in zip(changed, states, strict=True)]

    def load(self, rows: Sequence[StateRow]) -> None:
        for stored in rows:
            if stored.kind == self.kind:
                row = self.rows.add(stored.key)
                self.reserve(row + 1)
                if not decoded(self, row, stored.state):
                    self.dropped["detector_state"] += 1
                self._dirty[row] = False

    def evidence(self, key: str) -> tuple[float, float]:
        """The present mean of R in a segment, and the patience that was asked for last."""
        row = self.rows.of_key(key)
        if row is None or self.track_of[row] == WAITING:
            return 0.0, self._patience
        r = self.tracks[int(self.track_of[row])].r
        return float(mean(r[self.place[row]][np.newaxis])[0]), self._patience

    def reserve(self, rows: int) -> None:
        """Make room for so many rows."""
        for name in ("track_of", "place", "reads_verdict", "_dirty"):
            setattr(self, name, with_room(getattr(self, name), rows))
        if self.blocks is not None:
            self.blocks.reserve(rows)

    def start(self, row: int, which: int, verdicts: bool, time: int, chosen: Scale | None) -> None:
        """A segment leaves the waiting room."""
        track = self.tracks[which]
        self.track_of[row], self.reads_verdict[row] = which, verdicts
        self.place[row] = track.add(randomiser.seed(self.rows.key(row)), time)
        self.owners[which].append(row)
        if chosen is not None:
            self.graded_kind.set_scale(track.heads, int(self.place[row]), chosen)

    def _past_waiting(
        self,
        observations: Observations,
        values: NDArray[np.float64],
        index: NDArray[np.intp],
        rows: NDArray[np.int64],
    ) -> NDArray[np.bool_]:
        """Which of the observations are of segments whose scale is known by then; the others help to choose it."""
        ready = self.track_of[rows[index]] != WAITING
        new = np.flatnonzero(~ready)
        if len(new):
            at = index[new]
            ready[new], complete = self.waiting.feed(rows[at], values[at], observations.passed[at])
            for row, last, numbers, verdicts in complete:
                time = min(max(float(observations.time[at[last]]), 0.0), LATEST_TIME)
                self._begin(row, numbers, verdicts, int(time))
        return ready

    def _begin(self, row: int, values: NDArray[np.float64], verdicts: NDArray[np.int8], time: int) -> None:
        """Choose what to read of a segment, and on which scale."""
        numbers = values[np.isfinite(values)].tolist()
        as_good = np.count_nonzero((verdicts >= 0) & ~(np.isfinite(values) & (values != verdicts)))
        verdict = self.options.read == "verdict" or (self.options.read == "auto" and bool(2 * as_good > len(values)))
        if verdict and self.blocks is None:
            self.start(row, PASS_FAIL, True, time, None)
        elif verdict or not numbers:
            self.start(row, GRADED, verdict, time, chosen_scale([0.0, 1.0]))
        else:
            self.start(row, GRADED, False, time, chosen_scale(numbers, self.options.scale))

    def _acted(self, which: int, track: Track, event: Event) -> list[Detection]:
        row = self.owners[which][event.row]
        if event.what == "outgrown":
            self.dropped["detector_scale"] += 1
            self.followed.pop(row, None)
            return []
        if event.what == "due":
            return self._settled(row, track, event)
        observations = int(track.heads["n"][event.row])
        change = track.change(event.row, event.time)
        self.followed.pop(row, None)
        if change is None:  # no level moved: a tail or the spread did, or all within three observations
            track.begin(event.row, event.time)
            return [self._detection(row, track, event, None, observations)]
        track.begin_at(event.row, change, max(1, self.options.settle // self.options.block))
        head = track.heads[event.row]
        self.followed[row] = Followed(
            change, int(head["n"]), int(head["s"]), observations, event.statistic, event.patience, event.bet
        )
        return [self._detection(row, track, event, change, observations)]

    def _settled(self, row: int, track: Track, event: Event) -> list[Detection]:
        """The change once more, its level after by what came after the alarm: that was not chosen by it."""
        if row not in self.followed:
            return []
        of = self.followed.pop(row)
        head = track.heads[event.row]
        n, s = int(head["n"]), int(head["s"])
        change = settled(of.change, n - of.n, s - of.s, track.variance(event.row))._replace(n=of.change.t + n)
        again = event._replace(statistic=of.statistic, patience=of.patience, bet=of.bet)
        return [self._detection(row, track, again, change, of.observations, revision=1)]

    def _detection(
        self, row: int, track: Track, event: Event, change: Change | None, observations: int, revision: int = 0
    ) -> Detection:
        evaluator = self.rows.segment(row).evaluator
        block = self.options.block
        what = f"pass rate of {evaluator}" if self.reads_verdict[row] else evaluator
        says = track.kind.says[event.bet]
        details: dict[str, Any] = {"bet": says, "block": block, "calendar": self.options.calendar}
        common: dict[str, Any] = {
            "index": event.position,
            "detector": self.kind,
            "statistic": event.statistic,
            "threshold": event.patience,
            "observations": observations * block,
            "revision": revision,
        }
        if change is None:
            return Detection(**common, explanation=f"{evaluator}: the values {says}", details=details)
        before, after = (self._reading(track, event.row, level) for level in (change.before, change.after))
        text = moved(what, change._replace(n=change.n * block, t=change.t * block), before, after)
        if not self.reads_verdict[row] and "moved" not in says:
            text += f"; the values {says}"
        return Detection(
            **common,
            changed_at=moment(change.at),
            earliest=moment(change.at_low),
            latest=moment(change.at_high),
            before=before.level,
            before_interval=before.interval,
            after=after.level,
            after_interval=after.interval,
            observations_after=(change.n - change.t) * block,
            explanation=text,
            details=details,
        )

    def _reading(self, track: Track, place: int, level: Any) -> Reading:
        head = track.heads[place]
        return Reading(*(track.kind.level(head, value) for value in level))
