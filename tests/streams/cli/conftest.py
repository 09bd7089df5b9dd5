"""Running real `evalstream` commands."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.brokers import ROOT


@dataclass(frozen=True)
class Result:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Result]


@pytest.fixture
def evalstream(tmp_path: Path) -> Run:
    """Runs a command in an empty folder, with nothing of the machine's own configuration."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("EVALSTREAM_", "KAFKA_", "OPENAI_"))}

    def run(*arguments: str, **environ: str) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "streams.cli.main", *arguments],
            cwd=tmp_path,
            env={**clean, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **environ},
            capture_output=True,
            text=True,
            timeout=100,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return run
