"""ADWIN: the mean of a window that shrinks when its older and newer part differ.

Bifet, Gavalda: Learning from time-changing data with adaptive windowing (SDM 2007), as implemented by river.

Stationary and independent observations are assumed. river's bound holds approximately (it uses the window's variance),
so the rate of false alarms is measured, not proven: see docs/concepts/monitoring.md.

river throws its window away after an alarm and does not report the split; the window's width and total, read before
and after, give both means all the same. A segment is read as pass/fail when its first observation has a verdict, else
by value. Inclusion probabilities are not used.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from pydantic import Field

from drift.detectors.bank import SegmentBank
from drift.protocol import Detection, Observation, Observations
from schemas.settings import Section

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from river.drift import ADWIN

FORMAT = 1
MAX_TIMES = 64
LARGEST_VALUE = 1e15


class AdwinOptions(Section):
    """Options of `adwin`."""

    delta: float = Field(0.002, gt=0, lt=1, description="Confidence of a cut; smaller: fewer false alarms, later.")
    clock: int = Field(32, ge=1, le=1024, description="Look for a change every so many observations.")
    min_window_length: int = Field(5, ge=1, description="Shortest part that is compared.")
    grace_period: int = Field(10, ge=1, description="No alarm in fewer observations than this.")


class _State:
    """One segment. `times` holds the event time (s) of every `step`-th observation, to date a change."""

    __slots__ = ("adwin", "reads_verdicts", "step", "times")

    def __init__(self, adwin: ADWIN) -> None:
        self.adwin = adwin
        self.reads_verdicts: bool | None = None
        self.step = 1
        self.times: list[int] = []


class AdwinBank(SegmentBank[_State]):
    """river's ADWIN in every segment."""

    def __init__(self, kind: str, options: AdwinOptions, evaluators: Collection[str] | None = None) -> None:
        from river import __version__
        from river.drift import ADWIN

        super().__init__(kind, evaluators)
        self._adwin, self._options = ADWIN, options.model_dump()
        self._format = [FORMAT, __version__, self._options]

    def reads(self, observations: Observations) -> NDArray[np.bool_]:
        return (observations.passed >= 0) | ~np.isnan(observations.value)

    def new(self) -> _State:
        return _State(self._adwin(**self._options))

    def observe(self, state: _State, observation: Observation) -> Detection | None:
        if state.reads_verdicts is None:
            state.reads_verdicts = observation.passed >= 0
        x = float(observation.passed) if state.reads_verdicts else observation.value
        if (state.reads_verdicts and x < 0) or not abs(x) <= LARGEST_VALUE:
            self.dropped["detector_value"] += 1
            return None
        adwin = state.adwin
        count, total = adwin.width + 1, adwin.total + x
        _remember(state, count - 1, observation.time)
        adwin.update(x)
        if not adwin.drift_detected:
            return None
        detection = self._detection(state, observation.row, int(count), total)
        state.adwin, state.step, state.times = self._adwin(**self._options), 1, []
        return detection

    def _detection(self, state: _State, index: int, count: int, total: float) -> Detection:
        kept = int(state.adwin.width)
        after = state.adwin.total / kept
        before = (total - state.adwin.total) / (count - kept)
        changed_at = datetime.fromtimestamp(state.times[min((count - kept) // state.step, len(state.times) - 1)], UTC)
        what = "pass rate" if state.reads_verdicts else "mean"
        return Detection(
            index=index,
            detector=self.kind,
            changed_at=changed_at,
            before=before,
            after=after,
            statistic=abs(after - before),
            observations=count,
            observations_after=kept,
            explanation=f"the {what} {'rose' if after > before else 'fell'} from {before:.3g} to {after:.3g} "
            f"about {changed_at:%Y-%m-%d %H:%M} UTC ({kept} traces since, {count - kept} before)",
            details={"before_count": count - kept, "after_count": kept, **self._options},
        )

    def encode(self, state: _State) -> bytes:
        raw: bytes = state.adwin._helper.__getstate__()
        head: list[Any] = [*self._format, state.reads_verdicts, state.step, state.times, _checksum(raw)]
        return orjson.dumps(head) + b"\n" + raw

    def decode(self, data: bytes) -> _State:
        state = self.new()
        line, _, raw = data.partition(b"\n")
        try:
            *form, reads_verdicts, step, times, checksum = orjson.loads(line)
        except (orjson.JSONDecodeError, ValueError, TypeError):
            form, checksum = [], ""
        # river panics on bytes that are not its own, so nothing that is not whole and of this version reaches it
        if form != self._format or checksum != _checksum(raw):
            self.dropped["detector_state"] += 1
            return state
        state.reads_verdicts, state.step, state.times = reads_verdicts, step, times
        state.adwin._helper.__setstate__(raw)
        return state


def _remember(state: _State, ordinal: int, at: float) -> None:
    if ordinal % state.step == 0:
        if len(state.times) >= MAX_TIMES:
            state.times = state.times[::2]
            state.step *= 2
            if ordinal % state.step:
                return
        state.times.append(int(at))


def _checksum(raw: bytes) -> str:
    return blake2b(raw, digest_size=8).hexdigest()
