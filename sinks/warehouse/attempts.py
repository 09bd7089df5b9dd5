"""How often a worker has begun on a stretch of a log and not come past it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from .database import Database
from .part import Part
from .tables import attempts

_BEGIN_ALONE = (
    'INSERT INTO attempts ("component", "topic", "partition", "epoch", "offset", "through", "starts") '
    "VALUES (?, ?, ?, ?, ?, ?, 1) "
    'ON CONFLICT (component, topic, "partition", epoch, "offset") DO UPDATE SET starts = attempts.starts + 1 '
    "RETURNING starts"
)


class Attempts:
    """Starts within one epoch of a partition, on record until the worker came past.

    A row stands for one record (its offset) or for a range of them; the `offset` of a range is ``-1 - first``.
    """

    def __init__(self, database: Database, component: str, topic: str, partition: int, epoch: int) -> None:
        self._database = database
        self._place: dict[str, Any] = {"component": component, "topic": topic, "partition": partition, "epoch": epoch}

    def begin(self, first: int, last: int) -> tuple[int, int]:
        """Say that work on the records `first` to `last` begins.

        Returns
        -------
        The number of starts that began on a range which overlaps this one, this one included; and the last offset of all
        ranges on record. What an earlier range has beyond `last` stays on record with its own count.
        """
        with self._database.write() as connection:
            starts, through = 0, last
            for row in connection.execute(select(attempts).where(*self._here(), attempts.c.offset < 0)).mappings():
                begun, end = -1 - row["offset"], row["through"]
                through = max(through, end)
                if begun > last or end < first:
                    continue
                starts = max(starts, row["starts"])
                self._delete(connection, attempts.c.offset == row["offset"])
                if end > last:
                    self._insert(connection, last + 1, end, row["starts"])
            self._insert(connection, first, last, starts + 1)
        return starts + 1, through

    def begin_alone(self, offset: int) -> int:
        """Say that work on one record begins; the number of starts there, this one included."""
        row = (*self._place.values(), offset, offset)
        with self._database.write() as connection:
            return int(connection.exec_driver_sql(self._database.sql(_BEGIN_ALONE), row).scalar_one())

    def end(self, first: int, last: int) -> None:
        """The worker came past the records `first` to `last`."""
        c = attempts.c
        with self._database.write() as connection:
            self._delete(connection, c.offset.between(first, last))
            self._delete(connection, c.offset.between(-1 - last, -1 - first) & (c.through <= last))

    def take_back(self, key: int) -> None:
        """The start that began last under this `offset` ended and nobody died."""
        with self._database.write() as connection:
            here = (*self._here(), attempts.c.offset == key)
            connection.execute(update(attempts).where(*here).values(starts=attempts.c.starts - 1))
            self._delete(connection, attempts.c.starts <= 0)

    def _here(self) -> list[Any]:
        return [attempts.c[name] == value for name, value in self._place.items()]

    def _insert(self, connection: Connection, first: int, last: int, starts: int) -> None:
        row = {**self._place, "offset": -1 - first, "through": last, "starts": starts}
        connection.execute(insert(attempts).values(row))

    def _delete(self, connection: Connection, condition: Any) -> None:
        connection.execute(delete(attempts).where(*self._here(), condition))


class Starts(Part):
    """Table `attempts`."""

    def attempts(self, component: str, topic: str, partition: int, epoch: int) -> Attempts:
        """The starts of a component in one epoch of a partition."""
        return Attempts(self.database, component, topic, partition, epoch)
