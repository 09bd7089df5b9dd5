"""Arrays with a row for each of something of which more keep coming."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


def with_room(values: NDArray[Scalar], rows: int, fill: int = 0) -> NDArray[Scalar]:
    """The array with room for so many rows, new ones holding `fill`; at least doubled when it must grow, so that
    growing one by one costs little."""
    if rows <= len(values):
        return values
    grown = np.full((max(rows, 2 * len(values)), *values.shape[1:]), fill, dtype=values.dtype)
    grown[: len(values)] = values
    return grown
