"""Dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, RowMapping, func, or_, select, update

from schemas.dead_letter import DeadLetter

from .database import insert_sql
from .part import Part
from .rows import read_source, source_row, text
from .tables import dead_letters
from .types import clean


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which dead letters; what is None chooses nothing. `ids` may be beginnings of ids. Times are those of the records."""

    ids: tuple[str, ...] = ()
    reason: str | None = None
    component: str | None = None
    topic: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    requeued: bool | None = None


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A dead letter, and when its record was published again."""

    letter_id: str
    letter: DeadLetter
    requeued_at: datetime | None


class Letters(Part):
    """Table `dead_letters`."""

    def write_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Put them on record; one that stands already stays as it is."""
        rows = [
            (
                letter.letter_id,
                letter.component,
                letter.reason,
                clean(letter.detail),
                *source_row(letter.source),
                letter.digest,
                letter.size_bytes,
                text(letter.key),
                self.database.time(letter.time),
                letter.payload,
                None,
            )
            for letter in letters
        ]
        with self.database.write() as connection:
            self.database.many(connection, insert_sql(dead_letters), sorted(rows))

    def dead_letters(self, chosen: LetterFilter, limit: int | None = None) -> list[StoredLetter]:
        """Those that a filter chooses, newest first."""
        c = dead_letters.c
        query = select(dead_letters).where(*_conditions(chosen)).order_by(c.time.desc(), c.letter_id).limit(limit)
        with self.database.read() as connection:
            return [_read(row) for row in connection.execute(query).mappings()]

    def count_dead_letters(self, chosen: LetterFilter) -> int:
        """How many a filter chooses."""
        query = select(func.count()).select_from(dead_letters).where(*_conditions(chosen))
        with self.database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def mark_requeued(self, letter_ids: Sequence[str], when: datetime | None = None) -> None:
        """Their records were published again."""
        with self.database.write() as connection:
            mine = dead_letters.c.letter_id.in_(letter_ids)
            connection.execute(update(dead_letters).where(mine).values(requeued_at=when or datetime.now(UTC)))


def _conditions(chosen: LetterFilter) -> list[ColumnElement[bool]]:
    c = dead_letters.c
    found: list[ColumnElement[bool]] = []
    if chosen.ids:
        found.append(or_(*(c.letter_id.startswith(one, autoescape=True) for one in chosen.ids)))
    for column, value in ((c.reason, chosen.reason), (c.component, chosen.component), (c.source_topic, chosen.topic)):
        if value is not None:
            found.append(column == value)
    if chosen.since is not None:
        found.append(c.time >= chosen.since)
    if chosen.until is not None:
        found.append(c.time < chosen.until)
    if chosen.requeued is not None:
        found.append(c.requeued_at.is_not(None) if chosen.requeued else c.requeued_at.is_(None))
    return found


def _read(row: RowMapping) -> StoredLetter:
    source = read_source(row)
    assert source is not None
    names = ("component", "reason", "detail", "digest", "size_bytes", "key", "time", "payload")
    letter = DeadLetter(source=source, **{name: row[name] for name in names})
    return StoredLetter(row["letter_id"], letter, row["requeued_at"])
