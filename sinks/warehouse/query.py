"""A person's own SQL, which may only read."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from schemas.errors import ConfigError

from .part import Part
from .records import QueryResult

QUERY_TIMEOUT_S = 60.0
STEPS_BETWEEN_LOOKS = 10_000
"""SQLite's instructions between two looks at the clock."""


class Queries(Part):
    """`evalstream query`."""

    def query(self, sql: str, limit: int = 1000, *, timeout_s: float = QUERY_TIMEOUT_S) -> QueryResult:
        """Run one statement that returns rows; at most `limit` of them come back.

        Raises
        ------
        ConfigError : the statement would write, is wrong, returns no rows, or takes longer than `timeout_s`.
        """
        with self.database.driver_connection() as connection:
            if self.database.dialect == "sqlite":
                return _on_sqlite(connection, sql, limit, timeout_s)
            return _on_postgres(connection, sql, limit, timeout_s)


def _on_sqlite(pooled: Any, sql: str, limit: int, timeout_s: float) -> QueryResult:
    import sqlite3

    allowed = {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
    }
    connection = pooled.driver_connection
    deadline = time.monotonic() + timeout_s
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.set_progress_handler(lambda: time.monotonic() > deadline, STEPS_BETWEEN_LOOKS)
        connection.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY)
        try:
            cursor = connection.execute(sql)
            return _result([column[0] for column in cursor.description or ()], cursor, limit)
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise _wrong(str(error), timeout_s) from None
    finally:
        pooled.invalidate()


def _on_postgres(pooled: Any, sql: str, limit: int, timeout_s: float) -> QueryResult:
    import psycopg

    connection: psycopg.Connection[Any] = pooled.driver_connection
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            cursor.execute(f"SET LOCAL statement_timeout = {int(timeout_s * 1000)}")
            # stream() sends the statement by itself, so that a second one after a semicolon cannot end the transaction.
            try:
                rows: Any = cursor.stream(sql.encode())
                first = next(rows, None)
                if first is None:
                    return _result(_columns(connection, sql), (), limit)
                found = _result([column[0] for column in cursor.description or ()], _chained(first, rows), limit)
                rows.close()
                return found
            except psycopg.Error as error:
                if error.sqlstate is None and connection.broken:
                    raise
                raise _wrong(error.diag.message_primary or str(error), timeout_s) from None
    finally:
        pooled.invalidate()


def _chained(first: Any, rest: Iterable[Any]) -> Iterable[Any]:
    yield first
    yield from rest


def _columns(connection: Any, sql: str) -> list[str]:
    """Names of the columns of a statement that gave no row: a stream does not tell them then."""
    connection.pgconn.prepare(b"", sql.encode())
    described = connection.pgconn.describe_prepared(b"")
    return [described.fname(i).decode() for i in range(described.nfields)]


def _result(columns: list[str], rows: Iterable[Any], limit: int) -> QueryResult:
    if not columns:
        raise ConfigError("the statement returns no rows; only reading is allowed here", path="sql")
    found = [tuple(_plain(value) for value in row) for row in islice(rows, limit + 1)]
    return QueryResult(tuple(columns), found[:limit], truncated=len(found) > limit)


def _plain(value: Any) -> Any:
    """Values that JSON can hold; times stay as they are."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return value


def _wrong(message: str, timeout_s: float) -> ConfigError:
    if any(part in message for part in ("not authorized", "readonly", "read-only", "prohibited")):
        message = f"only reading is allowed here ({message})"
    elif "interrupted" in message or "statement timeout" in message:
        message = f"took longer than {timeout_s:g} s"
    return ConfigError(message, path="sql")
