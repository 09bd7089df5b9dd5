"""What has to be remembered between two topics, on disk: the range may hold more than memory does."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

ROWS_AT_ONCE = 2_000
_SCHEMA = """
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    CREATE TABLE span (trace_id, span_id, digest, topic, "partition", "offset", ended, written,
        PRIMARY KEY (trace_id, span_id, digest, topic)) WITHOUT ROWID;
    CREATE TABLE decision (trace_id, evaluator, version, target_id, target_digest, kind, topic, "partition", "offset",
        PRIMARY KEY (trace_id, evaluator, version, target_id, target_digest)) WITHOUT ROWID;
    CREATE TABLE known (kind, key, PRIMARY KEY (kind, key)) WITHOUT ROWID;
    CREATE TABLE measured (trace_id, evaluator, topic, "partition", epoch, "offset", times, asked DEFAULT 0,
        PRIMARY KEY (trace_id, evaluator, topic, "partition", epoch, "offset")) WITHOUT ROWID;
"""


class Scratch:
    """A database in a temporary file, gone at the end.

    Tables: `span` and `decision` hold what was not found yet, `known` keys of a kind that were met, `measured` how often
    each (trace, evaluator, source) was sent to the monitor.
    """

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="evalstream-reconcile-")
        self._connection = sqlite3.connect(Path(self._folder.name) / "scratch.db", check_same_thread=False)
        self._connection.executescript(_SCHEMA)
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._folder.cleanup()

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run `sql` for each row."""
        self._connection.executemany(sql, rows)

    def one(self, sql: str, *values: Any) -> Any:
        """The first column of the first row; None without a row."""
        row = self._connection.execute(sql, values).fetchone()
        return None if row is None else row[0]

    def rows(self, sql: str, *values: Any) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of a query, some thousand at a time."""
        cursor = self._connection.execute(sql, values)
        while found := cursor.fetchmany(ROWS_AT_ONCE):
            yield found

    def remember(self, kind: str, keys: Iterable[str]) -> None:
        """Note that these keys were met."""
        self.many("INSERT OR IGNORE INTO known VALUES (?, ?)", ((kind, key) for key in keys))

    def met(self, kind: str, keys: Iterable[str]) -> set[str]:
        """Those of `keys` that were met."""
        return {key for key in set(keys) if self.one("SELECT 1 FROM known WHERE kind = ? AND key = ?", kind, key)}
