"""Some of many, evenly spread."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def evenly(count: int, most: int) -> NDArray[np.intp]:
    """At most `most` places among `count`, the first and the last included."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.intp))
