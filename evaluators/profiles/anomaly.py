"""When something that hardly ever happened before is an anomaly, and when too little was seen to say so.

Among few observations nothing is said: the decision waits until there are `SURE`, and is then made by what came before and
after. So a polluted past does not hide a fault (a few bad observations among many), and what is merely rare (an optional
key, a nullable field) is flagged a few times at the most before it counts as normal. Where no more comes in time
(`settled`), only what happened once is flagged.
"""

from __future__ import annotations

from enum import Enum

SURE = 30
MIN_SUPPORT = 5
ALWAYS_FEW = 2
"""So many times is no habit, however few were seen; it may be the case itself that is looked at."""
MAX_RATE = 0.03
MOST = 8


class Finding(Enum):
    """What an observed deviation is."""

    NORMAL = "normal"
    UNSURE = "unsure"
    ANOMALY = "anomaly"


def judge_rare(
    seen: int,
    others: int,
    *,
    settled: bool,
    support: int = MIN_SUPPORT,
    max_rate: float = MAX_RATE,
    most: float = MOST,
) -> Finding:
    """Judge something that was seen `seen` times, against `others` times that it was not.

    Parameters
    ----------
    settled : the case itself is among those seen, and no more is waited for.
    support : so many others must there be.
    max_rate, most : seen at a higher rate, or more often than this, it is normal.
    """
    total = seen + others
    if total < SURE:
        if others <= seen:
            return Finding.NORMAL
        return Finding.ANOMALY if settled and seen <= 1 and others >= support else Finding.UNSURE
    return Finding.NORMAL if seen > max(ALWAYS_FEW, min(most, max_rate * total)) else Finding.ANOMALY
