"""Opening the warehouse: as the configuration says at a start, or only where there is one."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import make_url

from schemas.errors import ConfigError
from schemas.settings import Settings
from sinks.warehouse import Warehouse


def open_current(settings: Settings) -> Warehouse:
    """The warehouse at the schema of this program: migrated, or with `migrate_on_start: false` checked.

    Raises
    ------
    ConfigError : its schema is another.
    """
    opened = Warehouse.open(settings.warehouse)
    try:
        if settings.warehouse.migrate_on_start:
            opened.migrate()
        else:
            opened.require_current()
    except BaseException:
        opened.close()
        raise
    return opened


def open_existing(settings: Settings) -> Warehouse:
    """The warehouse, for reading; a SQLite file that is not there is not made.

    Raises
    ------
    ConfigError : there is none yet, or its schema is older or newer than this program.
    """
    url = make_url(settings.warehouse.url)
    file = url.database if url.get_backend_name() == "sqlite" else None
    if file and not file.startswith("file:") and not Path(file).exists():
        raise ConfigError(
            f"there is no warehouse at {file} yet; start `evalstream up`, or name one by EVALSTREAM_WAREHOUSE_URL "
            "(another data folder: --data or EVALSTREAM_DATA)"
        )
    opened = Warehouse.open(settings.warehouse)
    try:
        opened.require_current()
    except BaseException:
        opened.close()
        raise
    return opened
