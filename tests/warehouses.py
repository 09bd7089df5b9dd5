"""Warehouses to test against: SQLite in a fresh file, and PostgreSQL in a database of its own, emptied for each test.

Fixtures: `warehouse` is each of them in turn, migrated and empty; `sqlite_warehouse` and `postgres_warehouse` are one.
EVALSTREAM_TEST_POSTGRES names the server (a URL with a database to connect to); without a server the tests skip.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from schemas.settings import WarehouseSettings
from sinks.warehouse import Warehouse
from sinks.warehouse.tables import metadata

POSTGRES_VARIABLE = "EVALSTREAM_TEST_POSTGRES"
POSTGRES_DEFAULT = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"


@contextmanager
def postgres_databases() -> Iterator[Callable[[], str]]:
    """Makes empty databases on the test server, and drops them at the end; skips without a server."""
    server = make_url(os.environ.get(POSTGRES_VARIABLE, POSTGRES_DEFAULT))
    names: list[str] = []

    def make() -> str:
        name = f"evalstream_test_{uuid.uuid4().hex[:12]}"
        try:
            _administer(server, f"CREATE DATABASE {name}")
        except (SQLAlchemyError, ImportError) as error:
            pytest.skip(f"no PostgreSQL at {server.render_as_string()}: {str(error).splitlines()[0]}")
        names.append(name)
        return server.set(database=name).render_as_string(hide_password=False)

    yield make
    for name in names:
        _administer(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of an empty database, dropped at the end."""
    with postgres_databases() as make:
        yield make()


@pytest.fixture(scope="session")
def _migrated_postgres(postgres_url: str) -> Iterator[Warehouse]:
    warehouse = open_warehouse(postgres_url)
    warehouse.migrate()
    yield warehouse
    warehouse.close()


@pytest.fixture
def postgres_warehouse(_migrated_postgres: Warehouse) -> Warehouse:
    empty(_migrated_postgres)
    return _migrated_postgres


@pytest.fixture
def sqlite_warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    warehouse = open_warehouse(f"sqlite:///{tmp_path / 'warehouse.db'}")
    warehouse.migrate()
    yield warehouse
    warehouse.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def warehouse(request: pytest.FixtureRequest) -> Warehouse:
    """Each database in turn."""
    name = "sqlite_warehouse" if request.param == "sqlite" else "postgres_warehouse"
    return request.getfixturevalue(name)


def open_warehouse(url: str) -> Warehouse:
    return Warehouse.open(WarehouseSettings(url=url))


def url_of(warehouse: Warehouse) -> str:
    """Its URL, for another process."""
    return warehouse.database.engine.url.render_as_string(hide_password=False)


def empty(warehouse: Warehouse) -> None:
    """Delete all rows: between tests (TRUNCATE of so many tables takes half a second) and between the examples of a
    property test."""
    with warehouse.database.write() as connection:
        for table in metadata.sorted_tables:
            if table.name != "meta":
                connection.execute(table.delete())
        connection.execute(text("DELETE FROM meta WHERE key <> 'views'"))


def _administer(server: URL, statement: str) -> None:
    engine = create_engine(server, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 3})
    try:
        with engine.connect() as connection:
            connection.execute(text(statement))
    finally:
        engine.dispose()
