"""Migrations, opening, and what is said of a database that cannot be used."""

from __future__ import annotations

import multiprocessing
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from schemas.errors import ConfigError, Unavailable
from sinks.warehouse import Warehouse
from sinks.warehouse.database import insert_sql
from sinks.warehouse.rows import score_row
from sinks.warehouse.schema import _config
from sinks.warehouse.tables import metadata, scores
from sinks.warehouse.views import create_views
from tests.sinks.making import at, score, span, trace
from tests.warehouses import open_warehouse, url_of

ONLY_POSTGRES = ("scores_by_time",)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with nothing in it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'deep' / 'er' / 'w.db'}"
        return
    server = make_url(request.getfixturevalue("postgres_url"))
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    name = f"evalstream_test_{uuid.uuid4().hex[:12]}"
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield server.set(database=name).render_as_string(hide_password=False)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


def test_from_nothing_to_the_tables_of_this_version(empty_url: str) -> None:
    warehouse = open_warehouse(empty_url)
    assert warehouse.schema_version() is None
    with pytest.raises(ConfigError, match="run `evalstream warehouse migrate`"):
        warehouse.require_current()
    version = warehouse.migrate()
    assert warehouse.schema_version() == version == warehouse.migrate()
    warehouse.require_current()
    warehouse.close()
    engine = create_engine(empty_url)
    with engine.connect() as connection:
        skipped = ONLY_POSTGRES if "sqlite" in empty_url else ()
        wanted = {"include_object": lambda _thing, name, *_: name not in skipped}
        assert compare_metadata(MigrationContext.configure(connection, opts=wanted), metadata) == []
    engine.dispose()


def test_a_migration_keeps_what_is_stored(empty_url: str) -> None:
    old = open_warehouse(empty_url)
    config = _config()
    with old.database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        create_views(connection, old.database.dialect)
        connection.execute(text("INSERT INTO meta (key, value) VALUES ('views', 'of an older version')"))
        row = score_row(old.database, score("t1", kind="human"), old.database.time(at(0)), measured=False)
        old.database.many(connection, insert_sql(scores), [row])
    old.migrate()
    assert [found.trace_id for found in old.scores()] == ["t1"]
    old.close()


def test_workers_that_start_together_migrate_once(empty_url: str) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert len(set(pool.map(_start, [empty_url] * 4))) == 1


def test_a_newer_schema_is_refused(empty_url: str) -> None:
    warehouse = open_warehouse(empty_url)
    warehouse.migrate()
    with warehouse.database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for use in (warehouse.require_current, warehouse.migrate):
        with pytest.raises(ConfigError, match="made by a newer one"):
            use()
    warehouse.close()


def test_changed_views_are_made_anew(warehouse: Warehouse) -> None:
    with warehouse.database.write() as connection:
        connection.execute(text("UPDATE meta SET value = 'old' WHERE key = 'views'"))
        connection.execute(text("DROP VIEW v_spans"))
    with pytest.raises(ConfigError):
        warehouse.require_current()
    warehouse.migrate()
    warehouse.require_current()
    with warehouse.database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM v_spans")).scalar_one() == 0


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "is no SQLAlchemy URL"),
        ("oracle://x/y", "'oracle' is not supported"),
        ("postgresql+asyncpg://x/y", "write postgresql\\+psycopg://"),
        ("sqlite://", "in memory is not supported"),
        ("sqlite:///:memory:", "in memory is not supported"),
        ("sqlite:////proc/nope/w.db", "cannot be created"),
    ],
)
def test_a_wrong_url_is_a_config_error(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        open_warehouse(url)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "w.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(ConfigError, match="is not a SQLite database"):
        open_warehouse(f"sqlite:///{tmp_path / 'w.db'}")


def test_a_read_only_file_is_a_config_error_at_the_start(sqlite_warehouse: Warehouse) -> None:
    file = url_of(sqlite_warehouse).removeprefix("sqlite:///")
    with pytest.raises(ConfigError, match="is read-only"):
        open_warehouse(f"sqlite:///file:{file}?mode=ro&uri=true")


def test_a_database_that_turns_read_only_is_unavailable(postgres_warehouse: Warehouse) -> None:
    database = postgres_warehouse.database
    with pytest.raises(Unavailable, match="is read-only") as caught, database.write() as connection:
        connection.execute(text("SET TRANSACTION READ ONLY"))
        connection.execute(text("DELETE FROM traces"))
    assert caught.value.retry_after_s > 0


def test_a_server_that_is_away_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        open_warehouse("postgresql+psycopg://postgres:secret@127.0.0.1:1/x")


def test_a_database_that_does_not_exist_is_a_config_error(postgres_url: str) -> None:
    url = make_url(postgres_url).set(database="evalstream_test_not_there", password="secret")
    with pytest.raises(ConfigError, match="does not exist") as caught:
        open_warehouse(url.render_as_string(hide_password=False))
    assert "secret" not in str(caught.value)


def test_a_connection_that_is_cut_is_unavailable_and_the_next_call_works(postgres_warehouse: Warehouse) -> None:
    database = postgres_warehouse.database
    with pytest.raises(Unavailable), database.write() as connection:
        killer = create_engine(url_of(postgres_warehouse))
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with killer.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        killer.dispose()
        connection.execute(text("SELECT 1"))
    assert postgres_warehouse.store_traces([trace("t1", span("a"))])["t1"].is_new


def test_a_locked_file_is_unavailable(sqlite_warehouse: Warehouse) -> None:
    other = open_warehouse(url_of(sqlite_warehouse))
    with other.database.driver_connection() as connection:
        connection.execute("PRAGMA busy_timeout = 50")
    with (
        sqlite_warehouse.database.write(),
        pytest.raises(Unavailable, match="is locked by another process"),
    ):
        other.write_feedback([score("t1")])
    other.close()


def test_mistakes_of_the_program_are_not_disguised(warehouse: Warehouse) -> None:
    from sqlalchemy.exc import DBAPIError

    with pytest.raises(DBAPIError), warehouse.database.read() as connection:
        connection.execute(text("SELECT nothing FROM nowhere"))


def _start(url: str) -> str:
    warehouse = open_warehouse(url)
    try:
        version = warehouse.migrate()
        warehouse.require_current()
        return version
    finally:
        warehouse.close()
