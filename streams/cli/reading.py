"""Opening the warehouse for a command that only looks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from schemas.errors import ConfigError
from sinks.warehouse import Warehouse
from streams.cli.locate import locate
from streams.opening import open_existing


@contextmanager
def reading(config: Path | None, data: Path | None) -> Iterator[Warehouse]:
    """The warehouse that the configuration, or a running `evalstream up`, names."""
    opened = open_existing(locate(config, data).settings)
    try:
        yield opened
    finally:
        opened.close()


def moment(text: str | None, option: str) -> datetime | None:
    """A time given on the command line: ISO 8601 (UTC unless it says otherwise) or seconds since 1970."""
    if text is None:
        return None
    try:
        found = datetime.fromtimestamp(float(text), UTC) if _is_number(text) else datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise ConfigError(f"{text!r} is no time; write 2026-01-31T12:00 or seconds since 1970", path=option) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def age(text: str, option: str) -> timedelta:
    """A length of time given on the command line, such as 30d, 12h or 2w.

    Raises
    ------
    ConfigError : it is none.
    """
    units = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
    number, unit = text[:-1], units.get(text[-1:])
    try:
        found = timedelta(**{unit: float(number)}) if unit and _is_number(number) else None
        if found is not None and found > timedelta(0) and datetime.now(UTC) - found:
            return found
    except OverflowError:
        pass
    raise ConfigError(f"{text!r} is no length of time; write 30d, 12h or 2w", path=option)


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdigit()
