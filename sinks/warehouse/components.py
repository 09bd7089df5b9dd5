"""What runs: the last word of each component."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from .database import insert_sql, replacing
from .part import Part
from .records import ComponentState
from .tables import components
from .types import json_text

_REPORT = insert_sql(components, replacing(components))


class Components(Part):
    """Table `components`."""

    def report(self, component: str, instance: str, state: Mapping[str, Any]) -> None:
        """Say that an instance is alive, and how it is."""
        row = (component, instance, self.database.time(datetime.now(UTC)), json_text(state))
        with self.database.write() as connection:
            self.database.many(connection, _REPORT, [row])

    def components(self) -> list[ComponentState]:
        """The last word of each instance, dead ones included: look at `seen`."""
        query = select(components).order_by(components.c.component, components.c.instance)
        with self.database.read() as connection:
            return [ComponentState(**row) for row in connection.execute(query).mappings()]

    def forget(self, component: str, instance: str) -> None:
        """An instance has ended as it should."""
        mine = (components.c.component == component) & (components.c.instance == instance)
        with self.database.write() as connection:
            connection.execute(components.delete().where(mine))
