"""Errors of the two drivers as ours: what may pass is `Unavailable`, what a person must change is `ConfigError`."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from schemas.errors import ConfigError, EvalstreamError, Fatal, Unavailable

RETRY_SOON_S = 0.2
RETRY_S = 1.0
RETRY_LATER_S = 5.0

_SQLITE = (
    ("database is locked", RETRY_S, "is locked by another process"),
    ("database table is locked", RETRY_S, "is locked by another process"),
    ("database schema has changed", RETRY_SOON_S, "is being migrated"),
    ("readonly database", RETRY_LATER_S, "is read-only: check the permissions of the file and its folder"),
    ("disk is full", RETRY_LATER_S, "cannot grow: the disk is full"),
    ("disk I/O error", RETRY_LATER_S, "cannot be read or written: the disk reports an error"),
    ("unable to open database file", RETRY_LATER_S, "cannot be opened: check that its folder exists and is writable"),
)
_POSTGRES = (
    ("40", RETRY_SOON_S, "gave way to another transaction"),
    ("55P03", RETRY_S, "is locked by another transaction"),
    ("25006", RETRY_LATER_S, "is read-only (a standby, or default_transaction_read_only)"),
    ("42501", RETRY_LATER_S, "denies permission"),
    ("53100", RETRY_LATER_S, "cannot grow: the disk is full"),
    ("53", RETRY_S, "is out of resources"),
    ("57", RETRY_S, "is shutting down, starting, or cancelled the statement"),
    ("58", RETRY_LATER_S, "reports a system error"),
    ("08", RETRY_S, "cannot be reached"),
)
_WRONG_SETTINGS = (
    "authentication failed",
    "does not exist",
    "no pg_hba.conf entry",
    "no password supplied",
    "certificate",  # not trusted, not ours, not there, of another host, wanted of us
    "unknown ca",
    "private key",
    "does not support SSL",
)


def translated(error: SQLAlchemyError, where: str) -> EvalstreamError | None:
    """Our error for one of SQLAlchemy's, or None for what is a mistake in the program."""
    if isinstance(error, PoolTimeout):
        return Unavailable(f"warehouse {where}: all connections are in use", retry_after_s=RETRY_S)
    if not isinstance(error, DBAPIError) or error.orig is None:
        return None
    said = str(error.orig).strip().splitlines()
    message = said[0] if said else type(error.orig).__name__
    if type(error.orig).__module__.startswith("sqlite3"):
        return _from_sqlite(message, where)
    return _from_postgres(error, message, where)


def _from_sqlite(message: str, where: str) -> EvalstreamError | None:
    for part, retry_after_s, meaning in _SQLITE:
        if part in message:
            return Unavailable(f"warehouse {where} {meaning} ({message})", retry_after_s=retry_after_s)
    if "file is not a database" in message:
        return ConfigError(f"{where} is not a SQLite database", path="warehouse.url")
    if "malformed" in message and "JSON" not in message:
        return Fatal(f"warehouse {where} is damaged: {message}")
    return None


def _from_postgres(error: DBAPIError, message: str, where: str) -> EvalstreamError | None:
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        if error.connection_invalidated or type(error.orig).__name__ in {
            "OperationalError",
            "InterfaceError",
            "ConnectionTimeout",
        }:
            return _unreachable(message, where)
        return None
    if state.startswith("28") or state == "3D000":
        return ConfigError(f"{where}: {message}", path="warehouse.url")
    for prefix, retry_after_s, meaning in _POSTGRES:
        if state.startswith(prefix):
            return Unavailable(f"warehouse {where} {meaning} ({message})", retry_after_s=retry_after_s)
    return None


def _unreachable(message: str, where: str) -> EvalstreamError:
    if any(part in message for part in _WRONG_SETTINGS):
        return ConfigError(f"{where}: {message}", path="warehouse.url")
    return Unavailable(f"warehouse {where} cannot be reached ({message})", retry_after_s=RETRY_S)
