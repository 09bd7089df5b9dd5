"""A worker that cannot work says why and ends."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.stack import Stack

NOBODY = "127.0.0.1:9"  # it is told before anybody is waited for
CONFIG = """\
project: demo
evaluators:
  - {type: python, name: absent, options: {callable: "./nope.py:check"}}
"""


def test_a_part_that_cannot_be_built(tmp_path: Path) -> None:
    stack = Stack(tmp_path, NOBODY, config=CONFIG)
    try:
        stack.start("evaluate")
        assert stack.wait_for_death("evaluate") == 2
    finally:
        stack.stop()
    [said] = (tmp_path / "evaluate.log").read_text().splitlines()
    assert said.endswith(
        "evalstream.yaml:3: evaluators[0].options.callable: ./nope.py cannot be read: No such file or directory"
    )
