"""Two ways to number segments say the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.packed import PackedTable
from drift.room import put, taken
from drift.table import SegmentTable
from tests.drift.streams import BASE, inside

KEYS = st.text(st.characters(codec=None) | st.sampled_from("=/%"), max_size=8)


@given(st.lists(KEYS), st.lists(KEYS))
def test_a_packed_table_numbers_as_a_dictionary_does(added: list[str], asked: list[str]) -> None:
    plain, packed = SegmentTable(), PackedTable()
    assert [packed.add(key) for key in added] == [plain.add(key) for key in added]
    assert list(packed.keys()) == list(plain.keys()) and list(packed.keys(2)) == list(plain.keys(2))
    asked = asked + added[::-1]
    assert [packed.number(key) for key in asked] == [plain.number(key) for key in asked]
    assert packed.numbers(asked).tolist() == plain.numbers(asked).tolist()


def test_many_names_are_found_and_others_are_not() -> None:
    keys = [inside("tool", f"tool{i}").key for i in range(20_000)]
    packed = PackedTable()
    for key in keys:
        packed.add(key)
    assert packed.numbers(keys).tolist() == list(range(len(keys)))
    assert set(packed.numbers([key + "x" for key in keys]).tolist()) == {-1}
    assert packed[7] == inside("tool", "tool7") and len(packed) == len(keys)


def test_a_segment_without_a_dimension_and_one_that_is_not_there() -> None:
    packed = PackedTable()
    packed.add(BASE.key)
    assert packed.key(0) == BASE.key and packed[0] == BASE
    with pytest.raises(IndexError):
        packed.key(1)


@pytest.mark.parametrize("shape, dtype", [((), [("a", "u1"), ("b", "f8", (3,))]), ((2, 5), "u2"), ((), "f4")])
def test_whole_rows_are_taken_and_put_as_numpy_would(shape: tuple[int, ...], dtype: object) -> None:
    rng = np.random.default_rng(0)
    values = np.zeros((9, *shape), dtype=np.dtype(dtype))  # type: ignore[call-overload]
    values.view(np.uint8)[...] = rng.integers(1, 120, values.view(np.uint8).shape)
    rows = np.array([7, 0, 7, 3])
    assert (taken(values, rows) == values[rows]).all()
    wanted, new = values.copy(), values[[4, 5, 6]]
    wanted[[0, 7, 3]] = new
    put(values, np.array([0, 7, 3]), new)
    assert (values == wanted).all()


def test_nothing_is_written_to_a_copy() -> None:
    with pytest.raises(AssertionError):
        put(np.zeros((4, 2)).T, np.array([0]), np.ones((1, 4)))
