"""Which explanation fits a change: the app, the traffic, or the judge.

For each thing known of the traces (a *factor*: the model that answered, the prompt version, a kind of request, the judge's model) the
difference between the mean scores before and after is split in two (after Kitagawa: Components of a difference between two
rates, JASA 50, 1955): what other shares of its values account for (*composition*), and the rest, other scores of the same
values (*within*). A value counts with its mean over both sides, and not with the middle of its two means: an estimate of the
moment of a change is a little early or late, and the few traces on the wrong side would weigh as much as all others. So a
model that replaced another is composition whole. Intervals are of a bootstrap over traces, with a fixed seed.

A factor explains a change when its composition accounts for half of the difference or more, and its 90 % interval lies on that side
of zero. That is association, not proof: what changed at the same moment for another reason is told as a cause, and where
two kinds of factor fit, neither is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.cause import Cause, CauseKind, Effect, GroupShift

LEAST_TRACES = 20
"""On either side; below, nothing is said."""
LEAST_SHARE = 0.5
DRAWS, SEED, TAIL = 300, 7, 5.0
NORMAL_90 = 1.645
MOST_GROUPS, SHOWN_GROUPS = 30, 6
REST = "(other)"
WORDS: Mapping[CauseKind, str] = {"app": "app change", "traffic": "traffic change", "judge": "judge change"}


@dataclass(frozen=True, slots=True)
class Sample:
    """The traces on one side of a change: their scores, and of each factor the value in each trace ("" = none)."""

    scores: Sequence[float]
    factors: Mapping[str, Sequence[str]]


def explained(before: Sample, after: Sample, kinds: Mapping[str, CauseKind], beside: Sequence[Effect] = ()) -> Cause:
    """The cause, as far as the factors tell.

    Parameters
    ----------
    kinds : what a change of each factor would mean.
    beside : effects that were measured otherwise, such as `judged_anew` and `effect_of` some of the traces.
    """
    n, m = len(before.scores), len(after.scores)
    if min(n, m) < LEAST_TRACES:
        return Cause(
            verdict="unclear",
            explanation=f"unclear: {n} traces before and {m} after are too few to compare",
            traces_before=n,
            traces_after=m,
        )
    difference = float(np.mean(after.scores) - np.mean(before.scores))
    effects = [*(e.model_copy(update={"within": difference - e.composition}) for e in beside)]
    effects += [
        effect_of(name, kinds[name], before, after)
        for name in kinds
        if len({*before.factors.get(name, ()), *after.factors.get(name, ())}) > 1
    ]
    effects.sort(key=lambda e: -_share(e, difference))
    fitting = [e for e in effects if _fits(e, difference)]
    found = {effect.kind for effect in fitting}
    common: dict[str, Any] = {
        "traces_before": n,
        "traces_after": m,
        "difference": difference,
        "effects": tuple(effects),
    }
    if len(found) == 1:
        first = fitting[0]
        return Cause(verdict=first.kind, factor=first.factor, explanation=_said(first, difference), **common)
    if found:
        names = ", ".join(f"{e.factor} ({_portion(e, difference)})" for e in fitting)
        return Cause(verdict="unclear", explanation=f"unclear: several things changed at once, {names}", **common)
    looked = ", ".join((*kinds, *(e.factor for e in beside))) or "nothing"
    return Cause(
        verdict="unclear",
        explanation=f"unclear: the scores changed by {difference:+.2g} with the traces as they were ({looked} compared)",
        **common,
    )


def judged_anew(name: str, before: Mapping[str, float], after: Mapping[str, float]) -> Effect | None:
    """How far a judge's verdicts on the same items have moved: what of a change is the judge's own.

    Parameters
    ----------
    before, after : verdicts by item, on both sides of the change.

    Returns
    -------
    None with fewer than `LEAST_TRACES` items in common. The interval is of the paired differences, normal.
    """
    moved = np.array([after[item] - before[item] for item in sorted(before.keys() & after.keys())])
    if len(moved) < LEAST_TRACES:
        return None
    mean, width = float(moved.mean()), float(NORMAL_90 * moved.std(ddof=1) / np.sqrt(len(moved)))
    return Effect(factor=name, kind="judge", composition=mean, within=0.0, low=mean - width, high=mean + width)


def effect_of(name: str, kind: CauseKind, before: Sample, after: Sample) -> Effect:
    """How much of the difference between two sides the factor `name` accounts for."""
    values, old, new = _coded(before.factors[name], after.factors[name])
    x, y = np.asarray(before.scores, dtype=np.float64), np.asarray(after.scores, dtype=np.float64)
    count = len(values)
    composition, within = _split(old, x, new, y, count)
    rng = np.random.default_rng(SEED)
    drawn = []
    for _ in range(DRAWS):
        i, j = rng.integers(0, len(x), len(x)), rng.integers(0, len(y), len(y))
        drawn.append(_split(old[i], x[i], new[j], y[j], count)[0])
    low, high = np.percentile(drawn, [TAIL, 100 - TAIL])
    groups = _groups(values, old, x, new, y)
    return Effect(
        factor=name, kind=kind, composition=composition, within=within, low=low, high=high, groups=tuple(groups)
    )


def _split(
    old: NDArray[np.intp], x: NDArray[np.float64], new: NDArray[np.intp], y: NDArray[np.float64], count: int
) -> tuple[float, float]:
    """Composition and within."""
    p, q = np.bincount(old, minlength=count), np.bincount(new, minlength=count)
    sums = np.bincount(old, weights=x, minlength=count) + np.bincount(new, weights=y, minlength=count)
    level = sums / np.maximum(p + q, 1)
    composition = float(np.sum((q / len(y) - p / len(x)) * level))
    return composition, float(y.mean() - x.mean()) - composition


def _coded(before: Sequence[str], after: Sequence[str]) -> tuple[list[str], NDArray[np.intp], NDArray[np.intp]]:
    """The values by number; the rarest of very many are one."""
    values, codes, counts = np.unique([*before, *after], return_inverse=True, return_counts=True)
    names = [str(value) for value in values]
    if len(names) > MOST_GROUPS:
        kept = np.argsort(-counts, kind="stable")[: MOST_GROUPS - 1]
        place = np.full(len(names), MOST_GROUPS - 1)
        place[kept] = np.arange(len(kept))
        names, codes = [*(names[i] for i in kept), REST], place[codes]
    return names, codes[: len(before)], codes[len(before) :]


def _groups(
    values: Sequence[str], old: NDArray[np.intp], x: NDArray[np.float64], new: NDArray[np.intp], y: NDArray[np.float64]
) -> list[GroupShift]:
    """Those whose shares changed most."""
    found = [
        GroupShift(
            value=value or "(none)",
            share_before=float(np.mean(old == i)),
            share_after=float(np.mean(new == i)),
            mean_before=float(x[old == i].mean()) if (old == i).any() else None,
            mean_after=float(y[new == i].mean()) if (new == i).any() else None,
        )
        for i, value in enumerate(values)
    ]
    return sorted(found, key=lambda g: (-abs(g.share_after - g.share_before), g.value))[:SHOWN_GROUPS]


def _share(effect: Effect, difference: float) -> float:
    return effect.composition / difference if difference else 0.0


def _fits(effect: Effect, difference: float) -> bool:
    aside = effect.low > 0 if difference > 0 else effect.high < 0
    return aside and _share(effect, difference) >= LEAST_SHARE


def _portion(effect: Effect, difference: float) -> str:
    return f"{effect.composition:+.2g} [{effect.low:+.2g}, {effect.high:+.2g}] of {difference:+.2g}"


def _said(effect: Effect, difference: float) -> str:
    if not effect.groups:
        return f"{WORDS[effect.kind]}: verdicts on the same items of {effect.factor} moved by {_portion(effect, difference)}"
    grown = max(effect.groups, key=lambda g: g.share_after - g.share_before)
    shrunk = min(effect.groups, key=lambda g: g.share_after - g.share_before)
    return (
        f"{WORDS[effect.kind]}: {effect.factor} {grown.value} went from {grown.share_before:.0%} to {grown.share_after:.0%} of "
        f"the traces, {shrunk.value} from {shrunk.share_before:.0%} to {shrunk.share_after:.0%}; "
        f"that accounts for {_portion(effect, difference)}"
    )
