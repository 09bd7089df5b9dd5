"""Bets never pay more than 1 on average: in exact arithmetic, and for any counts."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from drift.conformal.bets import CELLS, ODDS, graded_bets, graded_table
from drift.conformal.grouping import Groups, Rounds
from drift.conformal.layout import Batch, PassFail


def test_no_graded_bet_pays_more_than_1_on_average() -> None:
    table = graded_table()
    assert table.dtype == np.float32
    for bet, column in zip(graded_bets(), table.T, strict=True):
        paid = sum(map(Fraction, column.tolist()), Fraction(0)) / CELLS
        assert paid <= 1, bet.says
        assert paid > Fraction(999_999, 1_000_000), bet.says
        assert column.min() >= 0


@pytest.mark.parametrize(("zeros", "ones"), [(1, 0), (0, 1), (1, 1), (7, 93), (400, 600), (1, 10**6)])
def test_a_verdict_pays_1_on_average_over_a_draw_from_the_counts_with_it(zeros: int, ones: int) -> None:
    kind, total = PassFail(), zeros + ones
    mean = np.zeros(len(ODDS))
    for verdict, count in ((0, zeros), (1, ones)):
        if count:
            groups = Groups(np.zeros(1, dtype=np.int64))
            batch = Batch(groups, Rounds(groups), groups, np.array([verdict]))
            before = np.array([[zeros - (verdict == 0), ones - (verdict == 1)]])
            mean += kind.pay(batch, before, np.empty(0, dtype=[("n", int)]))[0].astype(float) * count / total
    assert mean == pytest.approx(1, abs=1e-6)
