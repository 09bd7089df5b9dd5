"""The warehouse: every result, in SQLite or PostgreSQL."""

from __future__ import annotations

from typing import Self

from schemas.settings.pipeline import WarehouseSettings

from .accounts import Accounts
from .attempts import Starts
from .compare import Comparisons
from .components import Components
from .coverage import Coverages
from .database import Database
from .decisions import Decisions
from .erasure import Erasure
from .explain import Explanations
from .judging import Judging
from .letters import Letters
from .load import TraceReads
from .monitoring import Monitoring
from .notifications import Notifications
from .positions import Positions
from .profiles import LearnedProfiles
from .pruning import Pruning
from .query import Queries
from .read import Reads
from .registry import Registry
from .schema import Schema
from .sessions import Sessions
from .store import TraceWrites
from .tombstones import Tombstones
from .why import Explained


class Warehouse(
    Schema,
    TraceWrites,
    TraceReads,
    Decisions,
    Sessions,
    Positions,
    Starts,
    Registry,
    Letters,
    Judging,
    Monitoring,
    LearnedProfiles,
    Explanations,
    Comparisons,
    Notifications,
    Components,
    Tombstones,
    Erasure,
    Pruning,
    Reads,
    Coverages,
    Explained,
    Accounts,
    Queries,
):
    """All of it, one concern a base class. Thread-safe; every method is one transaction and blocks until it is done.

    Methods raise `Unavailable` when the database is away, locked, read-only or full: the same call may be made again.
    """

    @classmethod
    def open(cls, settings: WarehouseSettings) -> Self:
        """Connect once, to learn what is wrong with the settings.

        Raises
        ------
        ConfigError : the URL is wrong, its driver is missing, the file is no database or cannot be written.
        Unavailable : the server does not answer.
        """
        database = Database(settings.url)
        try:
            database.check()
        except BaseException:
            database.close()
            raise
        return cls(database)

    def close(self) -> None:
        """Give the connections back."""
        self.database.close()
