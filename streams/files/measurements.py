"""Files of measurements for a backtest: records of the topic, JSON lines of one measurement each, or CSV.

A line of JSON holds ``time`` (ISO 8601 or Unix s) and ``value`` or ``passed`` (or both), and where wanted ``label``, ``segment`` (an
evaluator's name, or the key that `evalstream drift` shows) and ``trace_id``. CSV has the same names in its first line, or no
such line and the columns time, value, segment. Records of the topic `measurements` are read as they are.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from drift.observations import of_columns, of_measurements
from drift.protocol import Observations
from schemas.errors import InvalidRecord
from schemas.files import opened
from schemas.measurement import Measurement, MeasurementBatch, Segment

BATCH = 10_000
COLUMNS = ("time", "value", "segment")
KNOWN = {"time", "event_time", "value", "passed", "label", "segment", "trace_id"}
_YES, _NO = {"true", "1", "1.0", "yes", "pass", "passed"}, {"false", "0", "0.0", "no", "fail", "failed"}


def read_measurements(path: Path) -> Iterator[Observations | InvalidRecord]:
    """The measurements of a file in its order, in batches. A bad line is given, not raised, and names file and line.

    Raises
    ------
    OSError : the file cannot be opened.
    """
    gathered: list[Measurement] = []
    with opened(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")
        try:
            for item in _items(text, path):
                if isinstance(item, Measurement):
                    gathered.append(item)
                    if len(gathered) < BATCH:
                        continue
                if gathered:
                    yield of_measurements(gathered)
                    gathered = []
                if not isinstance(item, Measurement):
                    yield item
        except (EOFError, OSError) as error:
            yield InvalidRecord("undecodable", f"{path}: {error}")
    if gathered:
        yield of_measurements(gathered)


Item = Measurement | Observations | InvalidRecord


def _items(text: io.TextIOWrapper, path: Path) -> Iterator[Item]:
    first = text.readline()
    while first and not first.strip():
        first = text.readline()
    lines = _rejoined(first, text)
    rows = _json(lines) if first.lstrip().startswith("{") else _csv(lines)
    for number, row in rows:
        try:
            yield _read(row, number)
        except InvalidRecord as error:
            yield InvalidRecord(error.reason, f"{path}:{number}: {error.detail}")
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            yield InvalidRecord("wrong_type", f"{path}:{number}: {error}")


def _rejoined(first: str, rest: Iterable[str]) -> Iterator[str]:
    yield first
    yield from rest


def _json(lines: Iterable[str]) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, line


def _csv(lines: Iterable[str]) -> Iterator[tuple[int, Any]]:
    reader = csv.reader(lines)
    names: list[str] | None = None
    for cells in reader:
        if not cells:
            continue
        if names is None:
            named = [cell.strip().lower() for cell in cells]
            names = named if {"time", "event_time"} & set(named) else list(COLUMNS)
            if names is named:
                continue
        filled = {name: cell.strip() for name, cell in zip(names, cells, strict=False) if cell.strip()}
        yield reader.line_num, {name: cell for name, cell in filled.items() if name in KNOWN}


def _read(row: Any, number: int) -> Measurement | Observations:
    if isinstance(row, str):
        try:
            document = orjson.loads(row)
        except orjson.JSONDecodeError as error:
            raise InvalidRecord("undecodable", f"no JSON: {error}") from None
        if not isinstance(document, dict):
            raise InvalidRecord("wrong_type", "no object")
        if "source_topic" in document:
            batch = MeasurementBatch.from_bytes(row)
            return of_columns([(batch, range(len(batch.segment)))])
        if isinstance(document.get("segment"), dict):
            return Measurement.from_bytes(row)
        row = document
    return _measurement(row, number)


def _measurement(row: Mapping[str, Any], number: int) -> Measurement:
    unknown = set(row) - KNOWN
    if unknown:
        raise InvalidRecord("wrong_type", f"unknown field {sorted(unknown)[0]!r}; known are {', '.join(sorted(KNOWN))}")
    at = row.get("time", row.get("event_time"))
    if at is None:
        raise InvalidRecord("wrong_type", "no time")
    value = None if row.get("value") is None else float(row["value"])
    if value is not None and not math.isfinite(value):
        raise InvalidRecord("wrong_type", f"value {value} is not finite")
    passed = _verdict(row.get("passed"))
    label = None if row.get("label") is None else str(row["label"])
    if value is None and passed is None and label is None:
        raise InvalidRecord("wrong_type", "neither value nor passed nor label")
    return Measurement(
        segment=_segment(str(row.get("segment", "value"))),
        trace_id=str(row.get("trace_id", f"line-{number}")),
        value=value,
        passed=passed,
        label=label,
        event_time=_time(at),
    )


def _segment(text: str) -> Segment:
    if text.count("/") < 2:
        return Segment(evaluator=text)
    try:
        return Segment.of_key(text)
    except ValueError as error:
        raise InvalidRecord("wrong_type", f"{text!r} is no segment: {error}") from None


def _verdict(given: Any) -> bool | None:
    if given is None or isinstance(given, bool):
        return given
    text = str(given).lower()
    if text not in _YES | _NO:
        raise InvalidRecord("wrong_type", f"passed is true or false, got {given!r}")
    return text in _YES


def _time(given: Any) -> datetime:
    try:
        return datetime.fromtimestamp(float(given), UTC)
    except (ValueError, OSError, OverflowError):
        pass
    try:
        found = datetime.fromisoformat(str(given))
    except ValueError:
        raise InvalidRecord("wrong_type", f"{given!r} is no time: ISO 8601 or seconds since 1970") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
