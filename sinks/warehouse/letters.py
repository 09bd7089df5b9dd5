"""Dead letters."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.dead_letter import DeadLetter

from .database import insert_sql
from .part import Part
from .rows import source_row, text
from .tables import dead_letters
from .types import clean


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
