"""Cells of a calendar: observations are ranked among those of the same hour only (Mondrian p-values).

What differs between hours then needs no explanation by a change. Hours are those of UTC: a week's rhythm keeps its cells, and moves by
one twice a year where clocks are changed.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Calendar = Literal["hour_of_day", "hour_of_week"]
_CELLS = {None: 1, "hour_of_day": 24, "hour_of_week": 168}
_HOURS_TO_MONDAY = 72  # 1970-01-01 was a Thursday


def calendar_size(calendar: Calendar | None) -> int:
    """How many cells it has."""
    return _CELLS[calendar]


def calendar_cells(calendar: Calendar | None, time: NDArray[np.int64]) -> NDArray[np.int64]:
    """The cell of each time (Unix s), int[n]."""
    return (time // 3600 + _HOURS_TO_MONDAY) % calendar_size(calendar)
