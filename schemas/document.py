"""Writes docs/schemas/*.json, the JSON Schemas of the records: ``python -m schemas.document [FOLDER]``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import orjson

from .alert import Alert
from .base import Record
from .dead_letter import DeadLetter
from .drift_event import DriftEvent
from .judge_request import JudgeRequest
from .measurement import MeasurementBatch
from .score import Score
from .settings import Settings
from .trace import Session, Trace

FOLDER = Path("docs/schemas")
RECORDS: tuple[type[Record], ...] = (
    Trace,
    Session,
    Score,
    MeasurementBatch,
    JudgeRequest,
    DriftEvent,
    Alert,
    DeadLetter,
)


def documents() -> Iterator[tuple[str, bytes]]:
    """File names and contents: what a reader of a topic will find; for the configuration, what may be written."""
    for record in RECORDS:
        yield _named(record.__name__), _pretty(record.model_json_schema(mode="serialization"))
    yield "settings.json", _pretty(Settings.model_json_schema(mode="validation"))


def _named(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_") + ".json"


def _pretty(schema: dict[str, object]) -> bytes:
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return orjson.dumps(head, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in documents():
        (folder / file).write_bytes(content)
