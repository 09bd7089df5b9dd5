"""Arrays through bytes."""

from __future__ import annotations

import numpy as np
import pytest

from drift.embedding.arrays import packed, unpacked


def test_there_and_back_exactly() -> None:
    given = {
        "a": np.array([[1.5, -0.0]], dtype=np.float16),
        "none": np.zeros((0, 4), dtype=np.uint8),
        "n": np.arange(3),
    }
    head, found = unpacked(packed([1, None, "x\ny"], given))
    assert head == [1, None, "x\ny"]
    assert [(n, a.dtype, a.shape, a.tobytes()) for n, a in found.items()] == [
        (n, a.dtype, a.shape, a.tobytes()) for n, a in given.items()
    ]


@pytest.mark.parametrize(
    "damage", [lambda d: d[:-1], lambda d: d[:-1] + b"?", lambda d: b"", lambda d: b"[]\n", lambda d: b"{}"]
)
def test_what_is_damaged_is_refused(damage) -> None:
    with pytest.raises(ValueError):
        unpacked(damage(packed(None, {"a": np.arange(4)})))
