"""Crash points kill where they are told to, and only there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.brokers import ROOT

PASSES = """
from streams.base.crash_points import passing
for number in range(4):
    passing("other.point")
    passing("some.point", about=[f"t{number}"])
    print(number, flush=True)
"""


@pytest.mark.parametrize(
    ("crash_at", "passed"),
    [
        (None, 4),
        ("some.point", 0),
        ("some.point:1", 0),
        ("some.point:3", 2),
        ("some.point:9", 4),
        ("some.point@t2", 2),
        ("some.point@nobody", 4),
        ("no.point", 4),
    ],
)
def test_it_dies_at_the_point(crash_at: str | None, passed: int) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("EVALSTREAM_CRASH_AT", None)
    if crash_at is not None:
        environment["EVALSTREAM_CRASH_AT"] = crash_at
    done = subprocess.run([sys.executable, "-c", PASSES], env=environment, capture_output=True, check=False)
    assert len(done.stdout.split()) == passed
    assert done.returncode == (0 if passed == 4 else -signal.SIGKILL), done.stderr
