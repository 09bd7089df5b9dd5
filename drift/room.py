"""Arrays with a row for each of something of which more keep coming."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


def with_room(values: NDArray[Scalar], rows: int, fill: int = 0) -> NDArray[Scalar]:
    """The array with room for so many rows, new ones holding `fill`; with a sixteenth more than there was when it must grow, so that
    growing one by one costs little."""
    if rows <= len(values):
        return values
    grown = np.full((max(rows, len(values) + max(16, len(values) // 16)), *values.shape[1:]), fill, dtype=values.dtype)
    grown[: len(values)] = values
    return grown


def taken(values: NDArray[Scalar], rows: NDArray[np.int64]) -> NDArray[Scalar]:
    """``values[rows]``, copied a row at a time: of structured rows, or rows of several numbers, that takes a fraction of the time."""
    own: NDArray[Scalar] = np.take(_whole(values), rows).view(values.dtype)
    return own.reshape(len(rows), *values.shape[1:])


def put(values: NDArray[Scalar], rows: NDArray[np.int64], new: NDArray[Scalar]) -> None:
    """``values[rows] = new``, in the same way. All are C-contiguous."""
    _whole(values)[rows] = _whole(new)


def _whole(values: NDArray[Scalar]) -> NDArray[np.void]:
    """A view with one element a row."""
    assert values.flags.c_contiguous, "what is written to a copy would be lost"
    size = values.dtype.itemsize * math.prod(values.shape[1:])
    return values.reshape(-1).view(f"V{size}")
