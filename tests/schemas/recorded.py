"""Recorded traces that the tests of this folder read; those beside the repository are skipped where absent."""

from __future__ import annotations

import gzip
from base64 import b64decode
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
import pytest

from schemas.ids import Hasher
from schemas.otlp import TraceFragment, assemble, decode
from schemas.trace import Trace

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
EXAMPLES = ROOT / "examples" / "traces"
INSTRUMENTED = SHARED / "instrumented"
HASHER = Hasher(b"a key for tests")

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the recorded data set is not beside the repository")
needs_instrumented = pytest.mark.skipif(
    not INSTRUMENTED.is_dir(), reason="the recordings of real clients are not beside the repository"
)


def lines(path: Path) -> Iterator[bytes]:
    """The lines of a gzipped file."""
    with gzip.open(path) as file:
        for line in file:
            yield line.rstrip(b"\n")


def whole(fragments: list[TraceFragment]) -> Trace:
    return assemble(fragments, default_project="project", default_environment="environment")


def by_trace(records: list[bytes]) -> list[Trace]:
    """Records as traces, oldest first."""
    found: dict[str, list[TraceFragment]] = defaultdict(list)
    for record in records:
        for fragment in decode(record, HASHER):
            found[fragment.trace_id].append(fragment)
    return sorted((whole(fragments) for fragments in found.values()), key=lambda trace: trace.start)


@lru_cache(maxsize=1)
def instrumented_records() -> dict[tuple[str, str], list[bytes]]:
    """The Kafka records of real clients, by (client, conversation); JSON ones as client ``<name>/json``."""
    found: dict[tuple[str, str], list[bytes]] = defaultdict(list)
    for line in lines(INSTRUMENTED / "records.jsonl.gz"):
        record = orjson.loads(line)
        found[record["client"], record["conversation"]].append(b64decode(record["value_b64"]))
    for line in lines(INSTRUMENTED / "records_otlp_json.jsonl.gz"):
        record = orjson.loads(line)
        found[f"{record['client']}/json", record["conversation"]].append(record["value"].encode())
    return found


@lru_cache(maxsize=512)
def instrumented_traces(client: str, conversation: str) -> tuple[Trace, ...]:
    return tuple(by_trace(instrumented_records()[client, conversation]))


@lru_cache(maxsize=1)
def truth() -> dict[str, Any]:
    return orjson.loads((INSTRUMENTED / "expected.json").read_bytes())
