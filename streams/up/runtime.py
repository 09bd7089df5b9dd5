"""What `evalstream up` leaves in its data folder: `up.json`, for the commands that look for it, and a lock.

The lock, not the process id, says whether it runs: a process id may belong to somebody else by now.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from schemas.base import Published, UtcDatetime
from schemas.errors import ConfigError

FILE = "up.json"
LOCK = "up.lock"
KEY = "key"
KEY_BYTES = 32
LOCK_TRIES = 10


class Component(Published):
    """One child of the supervisor; `url` is where a worker answers `/healthz`, `/readyz` and `/metrics`."""

    pid: int | None = None
    log: str = ""
    url: str | None = None
    restarts: int = 0
    last_exit: int | None = None


class Runtime(Published):
    """Where everything is. `running` is not stored: the lock says it."""

    pid: int
    started_at: UtcDatetime
    config: str
    data: str
    bootstrap_servers: str
    broker: Literal["embedded", "configured"]
    warehouse_url: str
    password_omitted: bool = False
    receiver_url: str
    judge: Literal["scripted", "configured", "none"]
    judge_base_url: str | None = None
    components: Mapping[str, Component] = {}
    running: bool = Field(default=False, exclude=True)


def data_folder(given: Path | None) -> Path:
    """``--data``, then EVALSTREAM_DATA, then ``.evalstream``."""
    return given if given is not None else Path(os.environ.get("EVALSTREAM_DATA") or ".evalstream")


def read_runtime(folder: Path) -> Runtime | None:
    """What runs, or ran last, in `folder`; None when nothing ever did."""
    try:
        stored = Runtime.model_validate_json((folder / FILE).read_bytes())
    except (OSError, ValidationError):
        return None
    return stored.model_copy(update={"running": _is_locked(folder / LOCK)})


def write_runtime(folder: Path, runtime: Runtime) -> None:
    """Replace `up.json` in one step."""
    beside = folder / f"{FILE}.new"
    beside.write_bytes(runtime.to_bytes() + b"\n")
    beside.replace(folder / FILE)


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; raises `ConfigError` when another `up` has it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ConfigError(f"the data folder {folder} cannot be written: {error.strerror}") from None
    try:
        if not _take(handle):
            raise ConfigError(f"another `evalstream up` runs in {folder}; give this one its own --data")
        yield
    finally:
        os.close(handle)


def installation_key(folder: Path, *, create: bool) -> str | None:
    """The key of digests and tokens that belongs to the data folder; made once, readable by its owner only."""
    file = folder / KEY
    if not file.exists() and create:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w") as out:
            out.write(os.urandom(KEY_BYTES).hex() + "\n")
    return file.read_text().strip() if file.exists() else None


def sqlite_url(folder: Path) -> str:
    """The warehouse of a data folder, unless another is configured."""
    return f"sqlite:///{(folder / 'warehouse.db').resolve()}"


def now() -> datetime:
    return datetime.now(UTC)


def _take(handle: int) -> bool:
    """Lock for ourselves. Those who only look hold the lock for a moment: hence several tries."""
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            time.sleep(0.05)
    return False


def _is_locked(file: Path) -> bool:
    try:
        handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def without_password(url: str) -> tuple[str, bool]:
    """A database URL without its password, and whether there was one."""
    from sqlalchemy import make_url

    parsed = make_url(url)
    if parsed.password is None:
        return url, False
    return parsed.set(password=None).render_as_string(hide_password=False), True
