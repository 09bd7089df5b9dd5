"""Coverage-guided fuzzing of the readers, by atheris: ``python -m tests.fuzz.guided [--seconds N]``.

atheris is no dependency of the project (`pip install atheris`); without it this says so and ends well. What it looks for: any
error of a reader but `InvalidRecord`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.brokers import ROOT

INSTRUMENTED = ["schemas", "streams.evaluating.feedback"]
MOST_BYTES = 4_096


def main() -> int:
    """Fuzz for some seconds; the exit code is that of the fuzzer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    seconds = parser.parse_args().seconds
    try:
        import atheris
    except ImportError:
        print("skipped: atheris is not installed (pip install atheris)")
        return 0
    with atheris.instrument_imports(include=INSTRUMENTED):
        from schemas.errors import InvalidRecord
        from tests.fuzz.test_accounted import READERS

    readers = list(READERS.values())

    def one(data: bytes) -> None:
        if not data:
            return
        try:
            readers[data[0] % len(readers)](data[1:])
        except InvalidRecord:
            return

    corpus = ROOT / ".fuzz"
    _plant(corpus)
    atheris.Setup([sys.argv[0], str(corpus), f"-max_total_time={seconds}", f"-max_len={MOST_BYTES}"], one)
    atheris.Fuzz()
    return 0


def _plant(folder: Path) -> None:
    """Made-up records to begin with, each behind the byte that chooses its reader."""
    from tests.fuzz.strategies import STRATEGIES, drawn

    folder.mkdir(exist_ok=True)
    for number, strategy in enumerate(STRATEGIES.values()):
        for index, value in enumerate(drawn(strategy, 20, number)):
            (folder / f"{number}-{index}").write_bytes(bytes([number]) + value[: MOST_BYTES - 1])


if __name__ == "__main__":
    sys.exit(main())
