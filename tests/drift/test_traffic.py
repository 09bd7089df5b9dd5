"""Patience: what follows from traffic and false alarms a day, at the same observation however the stream is cut."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from drift.observations import of_measurements
from drift.traffic import LEAST_ON_THE_FIRST_DAY, Traffic
from schemas.measurement import Measurement
from tests.drift.streams import cut, one


def hourly(per_hour: int, hours: int, start: int = 0) -> list[Measurement]:
    return [one((start + i / per_hour) * 3600) for i in range(per_hour * hours)]


def read(traffic: Traffic, stream: list[Measurement]) -> list[float]:
    return traffic.patience(of_measurements(stream)).tolist()


def test_patience_follows_from_the_traffic_of_a_week() -> None:
    found = read(Traffic(0.5, 2), hourly(50, 24 * 9))
    assert found[0] == found[50 * 23] == LEAST_ON_THE_FIRST_DAY
    assert set(found[50 * 24 :]) == {5000.0}, "1200 a day x 2 detectors / 0.5 = 4800, in steps of 1, 2, 5"


def test_ten_times_the_traffic_ten_times_the_patience() -> None:
    traffic = Traffic(0.1, 1)
    assert read(traffic, hourly(10, 200))[-1] == 5_000
    assert read(traffic, hourly(100, 200, start=200))[-1] == 50_000


def test_what_is_not_scored_is_no_traffic() -> None:
    stream = [m.model_copy(update={"outcome": "failed"}) for m in hourly(100, 30)]
    assert read(Traffic(0.1, 1), stream)[-1] == 1_000


@pytest.mark.parametrize("seed", range(4))
def test_cuts_and_storage_change_nothing(seed: int) -> None:
    rng = random.Random(seed)
    stream = [one(m.event_time.timestamp() % 1e7 + rng.choice([0, 0, -9000, 4000, -1e6])) for m in hourly(20, 60)]
    whole, traffic, found = Traffic(0.01, 3), Traffic(0.01, 3), []
    for batch in cut(stream, seed):
        found += read(traffic, batch)
        stored = traffic.encode()
        traffic = Traffic(0.01, 3)
        traffic.decode(stored)
    assert found == read(whole, stream)
    assert traffic.encode() == whole.encode()


def test_a_time_far_ahead_leaves_a_patience() -> None:
    traffic = Traffic(0.1, 1)
    stream = [*hourly(100, 30), one(5e9), *hourly(100, 30, start=30)]
    assert read(traffic, stream)[-1] == LEAST_ON_THE_FIRST_DAY, "no traffic is known, which is not: there is none"
    empty = replace(of_measurements([]), patience=np.empty(0))
    assert traffic.patience(empty).tolist() == []
