"""When a change was and how large, from the corners of the hulls: the likeliest moment, and 90 % intervals.

The interval of the moment holds every moment that is not exp(`DROP`) times less likely than the likeliest; between corners the
hull's edge is taken, which only widens it. `DROP` is where the likelihood ratio of a small change at an unknown moment, of known
size, stays in 90 % of all cases: (1 - e^-x)² = .9 (Yao: Approximating the distribution of the maximum likelihood estimate
of the change-point, Annals of Statistics 15, 1987).

The level after the change is taken from the very observations that raised the alarm, and so lies too far from the level before
(the winner's curse). Its interval covers every moment in the interval of the moment. Observations after the alarm are not
so chosen: `settled` takes the level from them alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drift.localise.focus import Corners

DROP = 2.97
Z = 1.645
"""Standard deviations on each side that hold 90 %."""
_POINTS = np.linspace(0, 1, 49)[:-1]
Interval = tuple[float, float]


class Level(NamedTuple):
    """A mean, in thousandths of the scale (or a share of 1, for pass/fail), with its 90 % interval."""

    mean: float
    low: float
    high: float


class Change(NamedTuple):
    """`t` observations that sum to `s` were before the change, at least `t_low`, at most `t_high`; times in Unix s. `gain`: how much
    more likely the observations are with the change than without, as a logarithm."""

    t: int
    s: int
    t_low: float
    t_high: float
    at: float
    at_low: float
    at_high: float
    n: int
    before: Level
    after: Level
    gain: float

    @property
    def rose(self) -> bool:
        return self.after.mean > self.before.mean


def locate(hulls: tuple[Corners, Corners], n: int, s: int, at: int, variance: float | None) -> Change | None:
    """The likeliest change among `n` observations that sum to `s`, the last at `at`; None where there is none.

    Parameters
    ----------
    variance : of the observations, None for pass/fail.
    """
    best = max((c for c in (_best(hull, n, s, variance) for hull in hulls) if c), key=lambda c: c[0], default=None)
    if best is None or best[0] <= 0:
        return None
    gain, place, hull = best
    # the whole hull, edges as well as corners, as far as the end
    ends = [np.append(values, end) for values, end in zip(hull, (n, s, at), strict=True)]
    t, sums, times = (np.append((v[:-1, None] + np.diff(v)[:, None] * _POINTS).ravel(), v[-1]) for v in ends)
    inside = (t >= 1) & (t <= n - 1)
    t, sums, times = t[inside], sums[inside], times[inside]
    likely = gains(t, sums, n, s, variance) >= gain - DROP
    t, sums, times = (np.append(v[likely], own[place]) for v, own in zip((t, sums, times), hull, strict=True))
    moment = int(hull.t[place])
    return Change(
        t=moment,
        s=int(hull.s[place]),
        t_low=float(t.min()),
        t_high=float(t.max()),
        at=float(hull.at[place]),
        at_low=float(times.min()),
        at_high=float(times.max()),
        n=n,
        before=_level(t, sums, moment, int(hull.s[place]), variance),
        after=_level(n - t, s - sums, n - moment, s - int(hull.s[place]), variance),
        gain=gain,
    )


def settled(change: Change, n: int, s: int, variance: float | None) -> Change:
    """The change, its level after taken from `n` observations after the alarm that sum to `s`."""
    one = np.array([float(n)]), np.array([float(s)])
    return change._replace(after=_level(*one, n, s, variance))


def gains(
    t: NDArray[np.float64], sums: NDArray[np.float64], n: int, s: int, variance: float | None
) -> NDArray[np.float64]:
    """How much more likely the observations are with a change after t of them, as a logarithm; 0 < t < n."""
    after, s_after = n - t, s - sums
    if variance is None:
        return _bernoulli(t, sums) + _bernoulli(after, s_after) - _bernoulli(np.array(float(n)), np.array(float(s)))
    return t * after / n * (sums / t - s_after / after) ** 2 / (2 * max(variance, 1e-9))


def share(count: float, of: float) -> Level:
    """A share of `of` observations, with Wilson's interval; of none at all, anything."""
    if of <= 0:
        return Level(0.0, 0.0, 1.0)
    return _level(np.array([of]), np.array([count]), of, count, None)


def _best(hull: Corners, n: int, s: int, variance: float | None) -> tuple[float, int, Corners] | None:
    places = np.flatnonzero((hull.t >= 1) & (hull.t <= n - 1))
    if not len(places):
        return None
    found = gains(hull.t[places].astype(float), hull.s[places].astype(float), n, s, variance)
    best = int(found.argmax())
    return float(found[best]), int(places[best]), hull


def _bernoulli(n: NDArray[np.float64], k: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log likelihood of k of n at its best rate."""
    share = np.clip(k / n, 1e-12, 1 - 1e-12)
    result: NDArray[np.float64] = k * np.log(share) + (n - k) * np.log1p(-share)
    return result


def _level(n: NDArray[np.float64], s: NDArray[np.float64], own_n: float, own_s: float, variance: float | None) -> Level:
    """The mean of `own_s` over `own_n`, and an interval that covers those of all (n, s)."""
    means = s / n
    if variance is None:  # Wilson's interval
        middle = (means + Z * Z / (2 * n)) / (1 + Z * Z / n)
        width = Z / (1 + Z * Z / n) * np.sqrt(means * (1 - means) / n + Z * Z / (4 * n * n))
    else:
        middle, width = means, Z * np.sqrt(variance / n)
    return Level(own_s / own_n, float((middle - width).min()), float((middle + width).max()))
