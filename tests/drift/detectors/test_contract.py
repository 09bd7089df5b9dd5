"""Contracts: told when broken and when held again; false alarms within the bound though observations depend on each other."""

from __future__ import annotations

import random

import numpy as np
import pytest
from pydantic import ValidationError

from drift.detectors.contract import STAKES, ContractBank, ContractOptions
from drift.observations import of_measurements
from tests.drift.streams import one, verdicts


def detect(stream, **options):
    return ContractBank("contract", ContractOptions(**options)).update(of_measurements(stream))


def test_broken_and_held_again() -> None:
    stream = verdicts([(1000, 0.95), (400, 0.7), (3000, 0.97)], seed=1)
    broken, again = detect(stream, at_least=0.9, patience=1e6)
    assert 1000 < broken.index < 1200
    assert broken.explanation.startswith("a mean of at least 0.9 no longer holds: 0.")
    assert broken.changed_at is not None and abs((broken.changed_at - stream[1000].event_time).total_seconds()) < 150
    assert broken.after is not None and broken.before is not None and broken.after < 0.85 < 0.93 < broken.before
    assert 1400 < again.index < 2400
    assert "holds again" in again.explanation


def test_at_most_of_values_without_a_bound() -> None:
    rng = random.Random(2)
    stream = [one(i, passed=None, value=rng.expovariate(1 / (1.0 if i < 500 else 3.0))) for i in range(900)]
    found = detect(stream, at_most=1.5, upper=None, patience=1e5)
    assert found and 500 < found[0].index < 600


@pytest.mark.parametrize("below", [True, False])
def test_no_stake_loses_everything_and_none_gains_while_the_promise_holds(below: bool) -> None:
    level = 0.9
    most = 1 / (1 - level) if below else 1 / level
    for stake in STAKES:
        for x in (0.0, 1.0):
            assert 1 + stake * most * ((level - x) if below else (x - level)) > 0
        mean = level * (1 + stake * most * (level - 1)) + (1 - level) * (1 + stake * most * level)
        assert mean == pytest.approx(1)


def test_false_alarms_stay_within_the_bound_though_verdicts_repeat() -> None:
    """The mean given the past is always at least .9: after a failure it is .9, after a pass .97."""
    rng, patience, alarms, n = np.random.default_rng(5), 200.0, 0, 0
    bank = ContractBank("contract", ContractOptions(at_least=0.9, upper=1.0, patience=patience))
    passed = True
    stream = []
    for draw in rng.random(20_000):
        passed = bool(draw < (0.97 if passed else 0.9))
        stream.append(one(n, passed=passed))
        n += 1
    alarms = sum("no longer" in d.explanation for d in bank.update(of_measurements(stream)))
    assert alarms <= n / patience + 3 * (n / patience) ** 0.5


@pytest.mark.parametrize(
    "options",
    [{}, {"at_least": 0.5, "at_most": 0.6}, {"at_least": 1.0}, {"at_most": 2.0}, {"at_least": 0.5, "upper": None}],
)
def test_wrong_promises(options: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        ContractOptions(**options)
