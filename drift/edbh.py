"""Which of many segments have moved: e-d-BH.

Of N segments with e-detectors M, those with the k largest are told to have changed, for the largest k with M[k] ≥ c / k. While nothing
changes, the false discovery *proportion* expected at any moment at which one may look is at most N · (observations so far of a
segment) / c: the error over the patience (Dandapanthula, Ramdas: Multiple testing in multi-stream sequential change
detection, arXiv 2501.04130, with level N / c). k = 1 is the alarm of a single segment at c; where many move together each needs
only c / k.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def moved_together(evidence: Sequence[float], patience: float) -> list[int]:
    """Places of those that are told to have moved, in order of evidence, the strongest first.

    Parameters
    ----------
    evidence : the e-detector of each segment, at one moment.
    patience : c, at which one segment alone would be told.
    """
    values = np.asarray(evidence, dtype=np.float64)
    order = np.argsort(-values, kind="stable")
    needed = patience / np.arange(1, len(values) + 1)
    enough = np.flatnonzero(values[order] >= needed)
    return order[: enough[-1] + 1].tolist() if len(enough) else []
