"""Epochs: numbered through restarts, changes to earlier levels told as such, sizes told anew under one lineage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from drift.epochs import EpochBook
from drift.observations import of_measurements
from drift.protocol import Detection
from schemas.drift_event import DriftEvent
from tests.drift.streams import at, inside, one

SEEN = of_measurements([one(i) for i in range(10_000)])


def told(steps: Sequence[dict[str, Any]], restart: bool = False) -> tuple[list[DriftEvent], Counter[str]]:
    """The events of detections `d`, each with its row number and the count of its epoch."""
    book, events, dropped = EpochBook(), [], Counter[str]()
    for step in steps:
        event = book.tell(Detection(detector="d", **step), SEEN, dropped)
        events += [] if event is None else [event]
        if restart:
            rows, book = book.dirty(), EpochBook()
            for row in rows:
                book.load(row)
            assert book.dirty() == []
    return events, dropped


def moved(
    index: int, before: float, after: float, lasted: int = 100, width: float = 0.03, **fields: Any
) -> dict[str, Any]:
    return {
        "index": index,
        "changed_at": at(index - 10),
        "before": before,
        "after": after,
        "after_interval": (after - width, after + width) if width else None,
        "before_interval": (before - width, before + width) if width else None,
        "observations": lasted + 10,
        "observations_after": 10,
        **fields,
    }


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("width", [0.03, 0.0])
def test_a_blip_returns_to_normal_and_an_old_level_recurs(restart: bool, width: float) -> None:
    steps = [
        moved(1000, 0.9, 0.6, 1000, width),
        moved(1200, 0.6, 0.91, 200, width),  # the first level again
        moved(2200, 0.9, 0.3, 1000, width),  # never seen
        moved(2300, 0.3, 0.61, 100, width),  # seen, for a while
    ]
    events, _ = told(steps, restart)
    assert [e.change for e in events] == ["new", "return_to_normal", "new", "recurring"]
    assert [e.epoch for e in events] == [1, 2, 3, 4]
    assert "back to normal: the level of epoch 0 was 0.9" in events[1].explanation
    assert "not for the first time: the level of epoch 1 since 2026-03-02" in events[3].explanation


def test_what_has_lasted_longest_is_normal() -> None:
    steps = [moved(100, 0.9, 0.6, 100), moved(5100, 0.6, 0.2, 5000), moved(5200, 0.2, 0.6, 100)]
    events, _ = told(steps)
    assert [e.change for e in events] == ["new", "new", "return_to_normal"]


def test_a_level_between_two_is_new() -> None:
    events, _ = told([moved(100, 0.9, 0.6), moved(200, 0.6, 0.76), moved(300, 0.76, 0.82)])
    assert {e.change for e in events} == {"new"}


def test_embeddings_have_no_levels_and_categories_their_own() -> None:
    embedding = [moved(i, 0.0, 3.0, kind="embedding") for i in (100, 200, 300)]
    assert {e.change for e in told(embedding)[0]} == {"new"}
    labels = [
        moved(100, 0.1, 0.5, kind="category", subject="refused"),
        moved(200, 0.5, 0.1, kind="category", subject="cut"),
        moved(300, 0.5, 0.1, kind="category", subject="refused"),
    ]
    assert [e.change for e in told(labels)[0]] == ["new", "new", "return_to_normal"]


@pytest.mark.parametrize("restart", [False, True])
def test_a_size_is_told_anew_under_the_same_lineage(restart: bool) -> None:
    first = moved(1000, 0.9, 0.6, 900)
    again = moved(1200, 0.9, 0.68, 900, revision=1, observations=1110, observations_after=210)
    back = moved(2000, 0.68, 0.9, 800)
    events, _ = told([first, again, back], restart)
    assert [e.revision for e in events] == [0, 1, 0]
    assert [e.epoch for e in events] == [1, 1, 2]
    assert events[1].revises == events[0].event_id != events[1].event_id
    assert events[1].after == 0.68 and events[1].after_low == pytest.approx(0.65)
    assert events[2].change == "return_to_normal"
    assert len({e.event_id for e in events}) == 3


def test_the_size_of_a_change_that_nobody_knows_is_counted() -> None:
    events, dropped = told([moved(10, 0.9, 0.6, revision=1)])
    assert events == [] and dropped == {"revision": 1}


def test_detectors_and_segments_have_epochs_of_their_own() -> None:
    seen = of_measurements([one(i, segment=inside("tool", f"t{i % 2}")) for i in range(10)])
    book, dropped = EpochBook(), Counter[str]()
    found = [book.tell(Detection(i, name), seen, dropped) for i, name in ((0, "a"), (1, "a"), (2, "b"), (4, "a"))]
    assert [e.epoch for e in found if e] == [1, 1, 1, 2]
    assert len(book.dirty()) == 2


def test_only_so_many_levels_are_kept() -> None:
    steps = [moved(i + 20, i % 7, (i + 1) % 7) for i in range(100)]
    events, _ = told(steps)
    assert events[-1].epoch == 100
    book, dropped = EpochBook(), Counter[str]()
    for step in steps:
        book.tell(Detection(detector="d", **step), SEEN, dropped)
    assert len(book.dirty()[0].state) < 4000
