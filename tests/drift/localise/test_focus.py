"""FOCuS keeps what the brute-force likelihood ratio would choose, whichever way its points are added."""

from __future__ import annotations

import numpy as np
import pytest

from drift.localise import focus
from drift.localise.change import DROP, gains, locate

ROW = np.dtype(focus.HULL_FIELDS)


def hulls(steps: np.ndarray, *, singly: bool) -> np.ndarray:
    store = np.zeros(1, dtype=ROW)
    focus.begin(store, np.array([0]), np.array([100]))
    t, s = np.arange(1, len(steps) + 1), np.cumsum(steps)
    if singly:
        focus.push_one_by_one(store[0], zip(t.tolist(), s.tolist(), (100 + t).tolist(), strict=True))
    else:
        for i in range(len(t)):
            focus.push(store, np.array([0]), t[i : i + 1], s[i : i + 1], 100 + t[i : i + 1])
    focus.tidy(store)
    return store


def located(store: np.ndarray, n: int, s: int, variance: float | None):
    pair = focus.corners(store[0], focus.RISE), focus.corners(store[0], focus.FALL)
    return locate(pair, n, s, 100 + n, variance)


def drawn(seed: int, kind: str, n: int) -> tuple[np.ndarray, float | None]:
    rng = np.random.default_rng(seed)
    change, after = int(rng.integers(n // 8, n - n // 8)), rng.choice([0.3, 0.6, 0.95])
    rate = np.where(np.arange(n) < change, 0.8, after)
    if kind == "verdicts":
        return (rng.random(n) < rate).astype(int), None
    return rng.binomial(1000, rate), 160.0


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("kind", ["verdicts", "levels"])
def test_the_likeliest_change_is_that_of_brute_force(seed: int, kind: str) -> None:
    n = 120
    steps, variance = drawn(seed, kind, n)
    t = np.arange(1, n)
    plain = gains(t.astype(float), np.cumsum(steps)[:-1].astype(float), n, int(steps.sum()), variance)
    found = located(hulls(steps, singly=False), n, int(steps.sum()), variance)
    assert found is not None
    assert found.gain == pytest.approx(plain.max(), rel=1e-9)
    assert plain[found.t - 1] == pytest.approx(plain.max(), rel=1e-9)
    sums = np.cumsum(steps)[:-1]
    same_way = ((steps.sum() - sums) / (n - t) > sums / t) == found.rose
    likely = t[(plain >= plain.max() - DROP) & same_way]
    grid = 120 / 48  # the ends are looked for in 48 steps of an edge
    assert found.t_low < likely.min() + grid and likely.max() - grid < found.t_high, "it holds every likely moment"


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("kind", ["verdicts", "levels"])
def test_with_corners_that_made_room_little_is_lost(seed: int, kind: str) -> None:
    n = 3000
    steps, variance = drawn(seed, kind, n)
    plain = gains(np.arange(1.0, n), np.cumsum(steps)[:-1].astype(float), n, int(steps.sum()), variance)
    found = located(hulls(steps, singly=True), n, int(steps.sum()), variance)
    assert found is not None
    assert found.gain > plain.max() - max(1.0, 0.01 * plain.max())
    assert found.t_low - 30 <= plain.argmax() + 1 <= found.t_high + 30


@pytest.mark.parametrize("seed", range(10))
def test_one_by_one_is_the_same_to_the_last_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for steps in ((rng.random(3000) < 0.9).astype(int), rng.integers(0, 1001, 3000), np.arange(60) ** 2):
        assert hulls(steps, singly=True).tobytes() == hulls(steps, singly=False).tobytes()


def test_memory_is_bounded_and_sharp_corners_stay() -> None:
    steps = np.arange(200) // 2 + np.where(np.arange(200) >= 80, 400, 0)  # a convex sum: every other point is a corner
    rise = focus.corners(hulls(steps, singly=True)[0], focus.RISE)
    assert len(rise.t) == focus.CORNERS
    assert rise.t[0] == 0
    assert 80 in rise.t.tolist()


def test_sums_may_wrap_around() -> None:
    steps = np.full(500, 990)
    steps[300:] = 700
    store = np.zeros(2, dtype=ROW)
    focus.begin(store, np.array([0, 1]), np.array([100, 100]))
    for i, s in enumerate(np.cumsum(steps).tolist(), 1):
        for row, base in ((0, 0), (1, 2**32 - 100_000)):
            store["hull_s"][row, :, 0] = base
            total = np.array([(base + s) % 2**32])
            focus.push(store, np.array([row]), np.array([i]), total, np.array([100 + i]))
    assert store[0]["hull_t"].tolist() == store[1]["hull_t"].tolist()


def test_an_epoch_begins_in_the_middle_of_another() -> None:
    rng = np.random.default_rng(2)
    steps = np.concatenate([rng.random(500) < 0.95, rng.random(300) < 0.5, rng.random(200) < 0.95]).astype(int)
    store = hulls(steps, singly=True)
    sums = np.cumsum(steps)
    focus.begin_at(store, 0, 500, int(sums[499]), 600)
    found = located(store, 500, int(sums[-1] - sums[499]), None)
    assert found is not None
    assert abs(found.t - 300) < 25
    assert found.before.mean == pytest.approx(0.5, abs=0.07)
