"""The directional detector: kinds of text that move together, near each other or not; and going on where it was left."""

from __future__ import annotations

import numpy as np
import pytest

from drift.embedding.direction import Direction
from drift.embedding.reference import Centres, Reference, fit

TOPICS = np.random.default_rng(7).normal(size=(20, 24))
NORMAL = np.full(20, 1 / 20)
TOGETHER = np.where(np.arange(20) < 6, 0.12, 0.02)  # six topics that have nothing else in common


def texts(count: int, weights: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = TOPICS[rng.choice(20, count, p=weights)] + 0.4 * rng.normal(size=(count, 24))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16)


@pytest.fixture(scope="module")
def reference() -> Reference:
    made = fit(texts(1000, NORMAL, 0), [str(i) for i in range(1000)], 30)
    return Reference.decode(made.encode())


def watched(direction: Direction, reference: Reference, stream: np.ndarray) -> list[float]:
    centres, found = [Centres(half.centres) for half in reference.halves], []
    for x in stream.astype(np.float32):
        first, second = (c.nearest(x)[0] for c in centres)
        direction.update(np.vecdot(reference.components, x - reference.mean), (first, second))
        found.append(direction.value)
    return found


def test_topics_that_grow_together_are_found(reference: Reference) -> None:
    direction = Direction(reference)
    assert max(watched(direction, reference, texts(300, NORMAL, 1))) < 2000
    assert max(watched(direction, reference, texts(150, TOGETHER, 2))) > 10_000


def test_without_a_change_the_mean_is_about_the_number_of_texts(reference: Reference) -> None:
    last = [watched(Direction(reference), reference, texts(200, NORMAL, seed))[-1] for seed in range(10, 40)]
    assert 50 < np.mean(last) < 400


def test_it_goes_on_where_it_was_left(reference: Reference) -> None:
    stream = texts(120, TOGETHER, 3)
    whole = Direction(reference)
    expected = watched(whole, reference, stream)
    begun, resumed = Direction(reference), Direction(reference)
    watched(begun, reference, stream[:57])
    resumed.restore(begun.arrays())
    assert watched(resumed, reference, stream[57:]) == expected[57:]


def test_scales_make_coordinates_and_clusters_weigh_alike(reference: Reference) -> None:
    centred = reference.sample.astype(np.float64) - reference.sample.astype(np.float64).mean(axis=0)
    products = reference.scales[0] ** 2 * (centred @ centred.T)
    assert (products**2).mean() == pytest.approx(1, rel=1e-3)
    assert reference.places.shape == (len(reference.sample), 2)
