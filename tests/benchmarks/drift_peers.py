"""river's detectors, as they ship, on the same streams."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def peers() -> dict[str, Callable[[], Any]]:
    """Makers of detectors by name. HDDM reads booleans, of which it looks for more: errors."""
    from river import drift

    return {
        "ADWIN": drift.ADWIN,
        "Page-Hinkley": drift.PageHinkley,
        "HDDM_A": drift.binary.HDDMA,
        "HDDM_W": drift.binary.HDDMW,
    }


def fits(name: str, verdicts: bool) -> bool:
    return verdicts or not name.startswith("HDDM")


def alarms(make: Callable[[], Any], name: str, values: Iterable[float]) -> list[int]:
    """Where a detector raises an alarm; it goes on by itself."""
    detector, found = make(), []
    errors = name.startswith("HDDM")
    for i, x in enumerate(values):
        detector.update(x < 0.5 if errors else x)
        if detector.drift_detected:
            found.append(i)
    return found


def delay(make: Callable[[], Any], name: str, values: NDArray[np.float64], change: int) -> tuple[float, int]:
    """Observations from the change to the first alarm after it (nan: none), and the alarms before it."""
    detector, early = make(), 0
    errors = name.startswith("HDDM")
    for i, x in enumerate(values.tolist()):
        detector.update(x < 0.5 if errors else x)
        if detector.drift_detected:
            if i >= change:
                return i - change + 1, early
            early += 1
    return float("nan"), early
