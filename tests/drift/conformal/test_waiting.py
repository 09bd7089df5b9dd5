"""The waiting room: as a dictionary of lists would have it, in less room."""

from __future__ import annotations

import numpy as np

from drift.conformal.waiting import FIRST, WaitingRoom


def test_seats_are_exchanged_and_nobody_loses_a_value() -> None:
    rng, room = np.random.default_rng(4), WaitingRoom()
    lists: dict[int, list[float]] = {}
    gone: set[int] = set()
    for _ in range(400):
        rows = np.minimum(rng.integers(0, 300, rng.integers(1, 40)), rng.integers(0, 300))
        rows = rows[[row not in gone for row in rows.tolist()]]
        values, verdicts = rng.random(len(rows)), rng.integers(-1, 2, len(rows)).astype(np.int8)
        if not len(rows):
            continue
        ready, complete = room.feed(rows, values, verdicts)
        for i, (row, value) in enumerate(zip(rows.tolist(), values.tolist(), strict=True)):
            assert ready[i] == (len(lists.setdefault(row, [])) >= FIRST)
            if not ready[i]:
                lists[row].append(value)
        assert {one.row: one.values.tolist() for one in complete} == {
            row: had for row, had in lists.items() if len(had) == FIRST and row not in gone
        }
        gone |= {one.row for one in complete}
        for row in range(300):
            waits = room.of(row)
            assert (None if waits is None else waits[0].tolist()) == (None if row in gone else lists.get(row))
    assert len(gone) > 100 and room.of(max(lists.keys() - gone)) is not None


def test_room_is_given_back_while_one_waits() -> None:
    room, rows = WaitingRoom(), np.arange(5000)
    for i in range(FIRST):
        room.feed(rows if i else rows[1:], np.full(5000 - (not i), 0.5), np.full(5000 - (not i), -1, dtype=np.int8))
    last = room.of(0)
    assert last is not None and len(last[0]) == FIRST - 1
    assert len(room._values) < 100


def test_one_that_left_may_come_again() -> None:
    room = WaitingRoom()
    room.put(7, np.array([0.25, np.nan]), np.array([1, 0], dtype=np.int8))
    values, verdicts = room.leave(7)
    assert values[0] == 0.25 and np.isnan(values[1]) and verdicts.tolist() == [1, 0]
    assert room.of(7) is None and len(room.leave(7)[0]) == 0
    ready, complete = room.feed(np.array([7]), np.array([0.5]), np.array([-1], dtype=np.int8))
    again = room.of(7)
    assert not ready[0] and not complete and again is not None and again[0].tolist() == [0.5]
