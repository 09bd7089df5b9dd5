"""One database: opening it, transactions, bulk statements."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from schemas.errors import ConfigError, Unavailable
from schemas.ids import Hasher

from .errors import translated
from .types import sqlite_time

BUSY_TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 10
POOL_SIZE = 8
COPY_FROM_ROWS = 20
POOL_TIMEOUT_S = 60.0
OLDEST_SQLITE = (3, 38)  # for `->` on JSON

Dialect = Literal["sqlite", "postgresql"]


class Database:
    """Transactions on one engine. Thread-safe; each transaction takes a connection of its own.

    Parameters
    ----------
    url : of the warehouse; nothing is connected yet, and the folder of a SQLite file is created.

    Raises
    ------
    ConfigError : the URL cannot be read, names an unknown database, or its driver is not installed.
    """

    def __init__(self, url: str) -> None:
        parsed = _read_url(url)
        self.where = parsed.render_as_string(hide_password=True)
        self.hasher: Hasher | None = None
        self.dialect: Dialect = "sqlite" if parsed.get_backend_name() == "sqlite" else "postgresql"
        self.engine = _sqlite_engine(parsed) if self.dialect == "sqlite" else _postgres_engine(parsed)
        self._writer = self.engine.execution_options(evalstream_writer=True)
        self._reader = (
            self.engine
            if self.dialect == "sqlite"
            else self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        )

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One writing transaction: committed at the end, rolled back on an error. On SQLite it is the only writer."""
        with self._errors(), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One reading transaction, in which all statements see the same state."""
        with self._errors(), self._reader.begin() as connection:
            yield connection

    def check(self) -> None:
        """Connect, and on SQLite make sure that the file is a database that can be written.

        Raises
        ------
        ConfigError : it is not. Unavailable : the server does not answer, or another process holds the file.
        """
        if self.dialect == "postgresql":
            with self.read() as connection:
                connection.exec_driver_sql("SELECT 1")
            return
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            oldest = ".".join(map(str, OLDEST_SQLITE))
            raise _wrong(
                f"SQLite {sqlite3.sqlite_version} is too old, {oldest} is needed: use PostgreSQL or a newer Python"
            )
        try:
            with self.write() as connection:
                connection.exec_driver_sql("PRAGMA user_version = 0")  # BEGIN IMMEDIATE alone writes nothing
        except Unavailable as error:
            if "is locked" in str(error):
                raise
            raise _wrong(str(error)) from None

    @contextmanager
    def driver_connection(self) -> Iterator[Any]:
        """The driver's own connection, outside any transaction."""
        with self._errors():
            connection = self.engine.raw_connection()
            try:
                yield connection
            finally:
                connection.close()

    def time(self, value: datetime | None) -> Any:
        """A time as the driver takes it in a bulk statement."""
        return sqlite_time(value) if value is not None and self.dialect == "sqlite" else value

    def many(self, connection: Connection, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run `sql`, written with ``?``, for each row, past SQLAlchemy's processing of values: it costs more than the
        database itself."""
        if rows:
            connection.exec_driver_sql(self.sql(sql), list(rows))

    def insert(self, connection: Connection, table: Table, tail: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert many rows into a table whose primary key comes first, ending the statement with `tail`.

        PostgreSQL takes them by COPY through a temporary table: 11 µs a row of scores instead of 25, and a third of the
        time in this process.
        """
        if self.dialect == "postgresql" and len(rows) >= COPY_FROM_ROWS:
            self._copy(connection, table, tail, rows)
        else:
            self.many(connection, insert_sql(table, tail), rows)

    def sql(self, text: str) -> str:
        """A statement written with ``?`` in the driver's own style."""
        return text if self.dialect == "sqlite" else text.replace("?", "%s")

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        driver_error = self.engine.dialect.loaded_dbapi.Error
        try:
            yield
        except (SQLAlchemyError, driver_error) as error:
            known = error if isinstance(error, SQLAlchemyError) else DBAPIError("", None, error)
            ours = translated(known, self.where)
            if ours is None:
                raise
            raise ours from error

    def _copy(self, connection: Connection, table: Table, tail: str, rows: Sequence[tuple[Any, ...]]) -> None:
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        staging = f"staging_{table.name}"
        keys = len(table.primary_key.columns)
        cursor = connection.connection.cursor()
        cursor.execute(f"CREATE TEMP TABLE IF NOT EXISTS {staging} (LIKE {table.name}) ON COMMIT DELETE ROWS")
        with cursor.copy(f"COPY {staging} ({columns}) FROM STDIN") as copy:  # type: ignore[attr-defined]
            # One INSERT may touch a row once only.
            for row in {row[:keys]: row for row in rows}.values():
                copy.write_row(row)
        cursor.execute(f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM {staging} {tail}")  # noqa: S608


@cache
def insert_sql(table: Table, tail: str = "ON CONFLICT DO NOTHING") -> str:
    """An INSERT, written with ``?``, of all columns of `table` in their order but for row numbers the database gives."""
    names = [column.name for column in table.columns if column.autoincrement is not True]
    columns = ", ".join(f'"{name}"' for name in names)
    marks = ", ".join("?" for _ in names)
    return f"INSERT INTO {table.name} ({columns}) VALUES ({marks}) {tail}"  # noqa: S608


def replacing(table: Table) -> str:
    """The tail of an INSERT that replaces the row of an equal primary key."""
    keys = ", ".join(f'"{column.name}"' for column in table.primary_key)
    sets = ", ".join(f'"{c.name}" = excluded."{c.name}"' for c in table.columns if not c.primary_key)
    return f"ON CONFLICT ({keys}) DO UPDATE SET {sets}"


def _read_url(text: str) -> URL:
    try:
        url = make_url(text)
        backend = url.get_backend_name()
    except (ArgumentError, NoSuchModuleError):
        raise _wrong(
            "is no SQLAlchemy URL; write sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
        ) from None
    if backend == "sqlite":
        if url.drivername not in {"sqlite", "sqlite+pysqlite"}:
            raise _wrong(f"the driver {url.drivername!r} is not supported; write sqlite:///FILE")
        if not url.database or url.database == ":memory:" or "mode=memory" in url.database:
            raise _wrong("SQLite in memory is not supported: workers share the warehouse; name a file")
        return url
    if backend == "postgresql":
        if url.drivername not in {"postgresql", "postgresql+psycopg"}:
            raise _wrong(f"the driver {url.drivername!r} is not supported; write postgresql+psycopg://")
        return url.set(drivername="postgresql+psycopg")
    raise _wrong(f"{backend!r} is not supported; use sqlite:/// or postgresql+psycopg://")


def _wrong(what: str) -> ConfigError:
    return ConfigError(what, path="warehouse.url")


def _sqlite_engine(url: URL) -> Engine:
    file = str(url.database)
    if not file.startswith("file:"):
        try:
            Path(file).expanduser().resolve().parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _wrong(f"the folder of {file} cannot be created: {error.strerror or error}") from None
    engine = create_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=-1,
        hide_parameters=True,
        connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        # The driver must not open transactions by itself: a writer begins with BEGIN IMMEDIATE, or two that have read
        # both wait for the other's lock and one fails at once, whatever its timeout.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writer = connection.get_execution_options().get("evalstream_writer", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


def _postgres_engine(url: URL) -> Engine:
    try:
        import psycopg
    except ImportError:
        raise _wrong("PostgreSQL needs the driver psycopg: pip install 'evalstream[postgres]'") from None

    connect_args: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "application_name": "evalstream",
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "options": "-c timezone=UTC -c jit=off",  # compiling took 5 s of a summary that took 1 s without
    }
    engine = create_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=POOL_SIZE,
        pool_timeout=POOL_TIMEOUT_S,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={name: value for name, value in connect_args.items() if name not in url.query},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: psycopg.Connection, _: Any) -> None:
        from psycopg.types.string import TextLoader

        for name in ("json", "jsonb"):
            connection.adapters.register_loader(name, TextLoader)

    return engine
