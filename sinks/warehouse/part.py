"""What the parts of the warehouse share: the database."""

from __future__ import annotations

from .database import Database


class Part:
    """One concern of the warehouse; `Warehouse` puts them together."""

    def __init__(self, database: Database) -> None:
        self.database = database
