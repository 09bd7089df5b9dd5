"""The recorded airline runs; what needs them is skipped where they are absent."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import orjson

from schemas.trace import Trace
from tests.schemas.recorded import SHARED, by_trace, lines


@lru_cache(maxsize=2)
def runs(name: str) -> tuple[Trace, ...]:
    return tuple(by_trace(list(lines(SHARED / f"{name}.otlp.jsonl.gz"))))


@lru_cache(maxsize=2)
def labels(name: str) -> tuple[dict[str, Any], ...]:
    return tuple(orjson.loads(line) for line in lines(SHARED / f"{name}.labels.jsonl.gz"))
