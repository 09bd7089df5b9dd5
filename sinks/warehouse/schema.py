"""The schema's version: bringing it up to date, and saying so when it is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select, text

from schemas.errors import ConfigError
from schemas.ids import plain_digest

from .database import Database
from .part import Part
from .tables import meta
from .views import create_views, drop_views, view_sql

ADVISORY_LOCK = 0x6576616C
"""Held on PostgreSQL while migrating; the number is ours alone."""

VIEWS_KEY = "views"


class Schema(Part):
    """Migrations and views."""

    def migrate(self) -> str:
        """Bring tables and views up to date, and return the schema's version.

        One transaction under a lock, so that several workers may start at once. Views are made anew whenever their
        text changed; they hold no data.

        Raises
        ------
        ConfigError : the schema is of a newer evalstream.
        """
        if self.database.dialect == "sqlite":
            self._write_ahead()
        with self.database.read() as connection:
            if _state(connection) == (_head(), _views_digest(self.database)):
                return _head()
        with _alone(self.database) as connection:
            self._migrate(connection)
        return _head()

    def schema_version(self) -> str | None:
        """The version of the tables that stand; None for an empty database."""
        with self.database.read() as connection:
            return _state(connection)[0]

    def require_current(self) -> None:
        """Raise `ConfigError` unless the schema is the one this evalstream works with."""
        with self.database.read() as connection:
            found, views = _state(connection)
        _refuse_newer(found)
        if found != _head() or views != _views_digest(self.database):
            raise ConfigError(
                f"the warehouse has schema {found or 'none'}, this evalstream needs {_head()}: "
                "run `evalstream warehouse migrate`",
                path="warehouse",
            )

    def _migrate(self, connection: Connection) -> None:
        found, views = _state(connection)
        _refuse_newer(found)
        digest = _views_digest(self.database)
        if (found, views) == (_head(), digest):
            return
        drop_views(connection)
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        create_views(connection, self.database.dialect)
        connection.execute(meta.delete().where(meta.c.key == VIEWS_KEY))
        connection.execute(meta.insert().values(key=VIEWS_KEY, value=digest))

    def _write_ahead(self) -> None:
        with self.database.driver_connection() as connection:
            connection.execute("PRAGMA journal_mode = WAL")


@contextmanager
def _alone(database: Database) -> Iterator[Connection]:
    with database.write() as connection:
        if database.dialect == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": ADVISORY_LOCK})
        yield connection


def _state(connection: Connection) -> tuple[str | None, str | None]:
    """Version of the tables and digest of the views that stand."""
    version = MigrationContext.configure(connection).get_current_revision()
    if version is None or not inspect(connection).has_table(meta.name):
        return version, None
    return version, connection.execute(select(meta.c.value).where(meta.c.key == VIEWS_KEY)).scalar()


def _refuse_newer(found: str | None) -> None:
    if found is not None and found not in _known():
        raise ConfigError(
            f"the warehouse has schema {found}, which this evalstream does not know: it was made by a newer one",
            path="warehouse",
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@cache
def _known() -> frozenset[str]:
    return frozenset(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


@cache
def _head() -> str:
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def _views_digest(database: Database) -> str:
    return plain_digest(view_sql(database.dialect))
