"""When a group is taken to be whole."""

from __future__ import annotations

from dataclasses import replace

from streams.gathering.gather import Gatherer, Patience

PATIENCE = Patience(ended_quiet_s=5, quiet_s=30, max_age_s=600, max_lag_s=300, max_parts=3)


def gatherer(**changed: float) -> Gatherer[str]:
    return Gatherer(replace(PATIENCE, **changed))


def add(
    to: Gatherer[str], key: str, at: float, *, ended: bool = False, size: int = 10, monotonic: float | None = None
) -> None:
    to.add(
        key,
        f"{key}@{at}",
        holder="chunk",
        size=size,
        ended=ended,
        log_time=at,
        monotonic=at if monotonic is None else monotonic,
    )


def due(of: Gatherer[str], at: float, *, caught_up: bool) -> dict[str, str]:
    return {group.key: group.why for group in of.take_due(monotonic=at, caught_up=caught_up)}


def test_a_group_whose_root_ended_is_whole_after_a_short_rest() -> None:
    open_groups = gatherer()
    add(open_groups, "a", 100, ended=True)
    assert due(open_groups, 104, caught_up=True) == {}
    assert due(open_groups, 105, caught_up=True) == {"a": "whole"}
    assert len(open_groups) == 0 and open_groups.size == 0


def test_without_a_root_it_rests_longer() -> None:
    open_groups = gatherer()
    add(open_groups, "a", 100)
    assert due(open_groups, 129, caught_up=True) == {}
    assert due(open_groups, 130, caught_up=True) == {"a": "quiet"}


def test_a_late_part_starts_the_rest_again() -> None:
    open_groups = gatherer()
    add(open_groups, "a", 100, ended=True)
    add(open_groups, "a", 104)
    assert due(open_groups, 108, caught_up=True) == {}
    assert due(open_groups, 109, caught_up=True) == {"a": "whole"}


def test_time_is_the_logs_while_the_reader_is_behind() -> None:
    open_groups = gatherer()
    add(open_groups, "a", 100, ended=True, monotonic=0)
    assert due(open_groups, 10_000, caught_up=False) == {}, "wall time must not cut what is still to be read"
    add(open_groups, "b", 106, monotonic=10_000)
    assert due(open_groups, 10_000, caught_up=False) == {"a": "whole"}


def test_age_and_lag_and_size_cut() -> None:
    aged = gatherer(max_lag_s=1e9)
    for at in range(0, 601, 20):
        add(aged, "a", at)
    assert due(gatherer(), 0, caught_up=True) == {}
    assert due(aged, 600, caught_up=True) == {"a": "size"}
    aged = gatherer(max_lag_s=1e9, max_parts=10**6)
    for at in range(0, 601, 20):
        add(aged, "a", at)
    assert due(aged, 600, caught_up=True) == {"a": "age"}
    lagging = gatherer(max_parts=10**6)
    for at in range(0, 301, 20):
        add(lagging, "a", at)
    assert due(lagging, 300, caught_up=True) == {"a": "lag"}


def test_the_oldest_leaves_first() -> None:
    open_groups = gatherer()
    add(open_groups, "a", 1, size=100)
    add(open_groups, "b", 2, size=1)
    add(open_groups, "a", 3, size=100)
    oldest = open_groups.take_oldest("memory")
    assert oldest is not None and (oldest.key, oldest.why, len(oldest.parts)) == ("a", "memory", 2)
    assert open_groups.size == 1
