"""Column types, and values as the two databases take them: UTC times, JSON as exact text, text that both can hold."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_json
from sqlalchemy import BigInteger, DateTime, Dialect, Integer, Text
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

REPLACEMENT = "\ufffd"

Id = Text().with_variant(Text(collation="C"), "postgresql")
"""Ids and digests: compared byte by byte."""

Serial = BigInteger().with_variant(Integer(), "sqlite")
"""A row number that the database gives; SQLite counts only in INTEGER."""


class UtcTime(TypeDecorator[datetime]):
    """`timestamptz` on PostgreSQL. On SQLite text of fixed width with a space, the form of SQLite's own functions, so
    that comparing with ``datetime('now', '-1 hour')`` is right."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        return value if value is None or dialect.name != "sqlite" else sqlite_time(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else read_time(value)


class _PostgresJson(UserDefinedType[str]):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "JSON"


class Json(TypeDecorator[Any]):
    """JSON kept as the exact text written: `jsonb` would reorder keys and turn 1e2 into 100, and what an evaluator sees
    after a reload would differ from what it saw at first."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(_PostgresJson() if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else orjson.loads(value)


def sqlite_time(value: datetime) -> str:
    """E.g. ``2026-01-31 12:00:00.000000+00:00``."""
    return (value if value.tzinfo is UTC else value.astimezone(UTC)).isoformat(" ", "microseconds")


def read_time(value: datetime | str) -> datetime:
    """A stored time as an aware datetime in UTC."""
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def clean(text: str) -> str:
    """The text without NUL (PostgreSQL refuses it) and lone surrogates (no database takes them)."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\x00", REPLACEMENT)


def json_text(value: Any) -> str:
    """JSON text of a value or record; of a record without the fields that hold their default."""
    try:
        body = _dump(value)
    except PydanticSerializationError:
        return _dump(_cleaned(_plain(value))).decode()
    if b"\\u0000" in body:
        return _dump(_cleaned(orjson.loads(body))).decode()
    return body.decode()


def _dump(value: Any) -> bytes:
    if isinstance(value, BaseModel):
        return value.__pydantic_serializer__.to_json(value, exclude_defaults=True)
    return to_json(value, inf_nan_mode="null", fallback=str)


def _plain(value: Any) -> Any:
    return value.model_dump(exclude_defaults=True) if isinstance(value, BaseModel) else value


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(k)): _cleaned(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(v) for v in value]
    return value
