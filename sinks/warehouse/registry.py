"""Evaluators and their current versions, and the installation's own facts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import select

from schemas.errors import ConfigError
from schemas.ids import Hasher

from .database import insert_sql
from .part import Part
from .tables import evaluators, meta

_REMEMBER = insert_sql(
    evaluators,
    "ON CONFLICT (name) DO UPDATE SET current_version = excluded.current_version, since = excluded.since "
    "WHERE evaluators.current_version <> excluded.current_version",
)


class Registry(Part):
    """Tables `evaluators` and `meta`."""

    def remember_evaluators(self, versions: Mapping[str, str], now: datetime | None = None) -> None:
        """From `now` on these versions (decision name → version) are current; unchanged ones keep their `since`."""
        since = self.database.time(now or datetime.now(UTC))
        rows = [(name, version, since) for name, version in sorted(versions.items())]
        with self.database.write() as connection:
            self.database.many(connection, _REMEMBER, rows)

    def use_key(self, hasher: Hasher) -> None:
        """Work with the installation's key: tombstones are recognised by it.

        Raises
        ------
        ConfigError : the warehouse was filled with another key; equal content would get other ids.
        """
        digest = hasher.digest("installation")
        if self.set_meta_once("key_digest", digest) != digest:
            raise ConfigError("EVALSTREAM_KEY is not the key that this warehouse was filled with", path="redaction.key")
        self.database.hasher = hasher

    def meta(self, key: str) -> str | None:
        """A fact of the installation."""
        with self.database.read() as connection:
            return connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar()

    def set_meta_once(self, key: str, value: str) -> str:
        """Set a fact unless it is set; returns the value that stands, whoever set it."""
        with self.database.write() as connection:
            self.database.many(connection, insert_sql(meta), [(key, value)])
            return connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar_one()
