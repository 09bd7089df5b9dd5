"""Categories: has the mix of labels changed, and which of them moved? Tools called, models that answered, shapes of output, …

Each category is a series of yes and no, watched by the bets on odds that pass/fail scores are watched by. The first that was ever seen
has half of the weight, the second a sixth, the i-th 1 / i (i + 1), so that their weighted mean is an e-detector again and no
number of categories is supposed. It alarms when one of them alone makes it reach the patience. A category's series begins
after it was first seen: whether it came up at all was not left to chance.

The moment is where the winning bet began to win (Page's CUSUM); intervals of the shares are Wilson's.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from pydantic import Field

from drift.conformal.bets import ODDS
from drift.detectors.bank import SegmentBank
from drift.localise.change import share
from drift.localise.report import Reading
from drift.protocol import Detection, Observation, Observations
from schemas.settings import Section

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = 1
OTHER = "other"
_ODDS = np.array(ODDS)


class CategoriesOptions(Section):
    """Options of `categories`."""

    patience: float | None = Field(
        None, ge=100, description="Mean observations to a false alarm; default: from `monitor.false_alarms_per_day`."
    )
    max_categories: int = Field(24, ge=2, le=500, description="Those seen later are taken together as `other`.")


class _State:
    """One segment: `names` in order of appearance; for each, what `Series` holds. Arrays [categories] and [categories, bets]."""

    __slots__ = ("count", "first", "names", "r", "run_count", "run_n", "run_time", "seen", "v")

    def __init__(self) -> None:
        self.names: list[str] = []
        self.seen = 0
        self.begin()

    def begin(self) -> None:
        """A new epoch: no category was seen yet."""
        self.names = []
        self.seen = 0
        self.count = np.zeros(0)  # of the category, since its series began
        self.first = np.zeros(0)  # observations before its series began
        shape = (0, len(ODDS))
        self.r, self.v = np.zeros(shape), np.ones(shape)
        self.run_n, self.run_count, self.run_time = np.zeros(shape), np.zeros(shape), np.zeros(shape)

    def add(self, name: str) -> None:
        self.names.append(name)
        self.count = np.append(self.count, 0.0)
        self.first = np.append(self.first, float(self.seen))
        row = np.zeros((1, len(ODDS)))
        self.r, self.v = np.vstack([self.r, row]), np.vstack([self.v, row + 1])
        self.run_n, self.run_count = np.vstack([self.run_n, row]), np.vstack([self.run_count, row])
        self.run_time = np.vstack([self.run_time, row])


class CategoriesBank(SegmentBank[_State]):
    """The mix of labels in every segment that has labels."""

    def __init__(self, kind: str, options: CategoriesOptions, evaluators: Collection[str] | None = None) -> None:
        super().__init__(kind, evaluators)
        self._options = options
        self._format = [FORMAT, options.max_categories]

    def reads(self, observations: Observations) -> NDArray[np.bool_]:
        return observations.label >= 0

    def new(self) -> _State:
        return _State()

    def observe(self, state: _State, observation: Observation) -> Detection | None:
        label = observation.label or ""
        name = label if label in state.names or len(state.names) < self._options.max_categories else OTHER
        detection = self._bet(state, name, observation) if state.names else None
        if detection is not None:
            state.begin()
            return detection
        state.seen += 1
        if name not in state.names:
            state.add(name)
        return None

    def _bet(self, state: _State, name: str, observation: Observation) -> Detection | None:
        is_it = np.array([known == name for known in state.names])
        n = state.seen + 1 - state.first
        losing = state.v <= 1
        state.run_n = np.where(losing, n[:, None] - 1, state.run_n)
        state.run_count = np.where(losing, state.count[:, None], state.run_count)
        state.run_time = np.where(losing, observation.time, state.run_time)
        state.count = state.count + is_it
        paid = np.where(is_it[:, None], _ODDS, 1.0) * n[:, None]
        paid /= (n - state.count)[:, None] + _ODDS * state.count[:, None]
        state.r = paid * (state.r + 1)
        state.v = paid * np.maximum(state.v, 1)
        order = np.arange(1, len(state.names) + 1)
        r = state.r
        for half in (4, 2, 1):  # in one fixed order
            r = r[:, :half] + r[:, half : 2 * half]
        evidence = r[:, 0] / len(ODDS) / (order * (order + 1))
        moved = int(evidence.argmax())
        patience = self._options.patience or observation.patience
        if evidence[moved] < patience:
            return None
        return self._detection(state, moved, float(evidence[moved]), patience, observation)

    def _detection(
        self, state: _State, moved: int, evidence: float, patience: float, observation: Observation
    ) -> Detection:
        bet = int(state.r[moved].argmax())
        n, total = state.seen + 1 - state.first[moved], state.count[moved]
        n_before, before = float(state.run_n[moved, bet]), float(state.run_count[moved, bet])
        was, now = Reading(*share(before, n_before)), Reading(*share(float(total) - before, float(n) - n_before))
        at = datetime.fromtimestamp(float(state.run_time[moved, bet]), UTC)
        new = [
            name for name, first in zip(state.names, state.first, strict=True) if first - state.first[moved] >= n_before
        ]
        subject = state.names[moved]
        after = int(n - n_before)
        text = (
            f"the share of {subject} {'rose' if now.level > was.level else 'fell'} from {was} to {now} around "
            f"{at:%Y-%m-%d %H:%M} UTC; {after} observations after the change"
        )
        details: dict[str, Any] = {"first_seen_after_the_change": new, "categories": len(state.names)}
        return Detection(
            index=observation.row,
            detector=self.kind,
            kind="category",
            changed_at=at,
            before=was.level,
            before_interval=was.interval,
            after=now.level,
            after_interval=now.interval,
            statistic=evidence,
            threshold=patience,
            observations=state.seen + 1,
            observations_after=after,
            subject=subject,
            explanation=text + (f"; new since then: {', '.join(new[:5])}" if new else ""),
            details=details,
        )

    def encode(self, state: _State) -> bytes:
        arrays = (state.count, state.first, state.r, state.v, state.run_n, state.run_count, state.run_time)
        head = orjson.dumps([*self._format, state.seen, state.names])
        return head + b"\n" + b"".join(array.tobytes() for array in arrays)

    def decode(self, data: bytes) -> _State:
        state = _State()
        line, _, body = data.partition(b"\n")
        try:
            *form, seen, names = orjson.loads(line)
            size = len(names)
        except (orjson.JSONDecodeError, ValueError, TypeError):
            form, names, size = [], [], 0
        values = np.frombuffer(body, dtype=np.float64) if len(body) == 8 * size * (2 + 5 * len(ODDS)) else None
        if form != self._format or values is None:
            self.dropped["detector_state"] += 1
            return state
        state.seen, state.names = seen, names
        state.count, state.first = values[:size].copy(), values[size : 2 * size].copy()
        tables = values[2 * size :].reshape(5, size, len(ODDS)).copy()
        state.r, state.v, state.run_n, state.run_count, state.run_time = tables
        return state
