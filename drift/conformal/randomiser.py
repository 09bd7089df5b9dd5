"""A uniform number for each observation, that breaks the ties of its rank.

Counter-based: a function of the segment and of how many observations it has had, so that there is no generator to store
and a replay draws the same numbers. Steele, Lea, Flood: Fast splittable pseudorandom number generators (OOPSLA 2014).
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)
_TO_53_BITS = np.uint64(11)


def seed(name: str) -> int:
    """64 bits that stand for a segment."""
    return int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def uniforms(seeds: NDArray[np.uint64], counts: NDArray[np.uint64]) -> NDArray[np.float64]:
    """The number of observation `counts` of segment `seeds`, each in [0, 1), float64[n]."""
    z = seeds + (counts + np.uint64(1)) * _GAMMA  # wraps around, as it should
    z = (z ^ (z >> _SHIFTS[0])) * _MIX_1
    z = (z ^ (z >> _SHIFTS[1])) * _MIX_2
    z ^= z >> _SHIFTS[2]
    return (z >> _TO_53_BITS) * 2.0**-53
