"""One broker a data directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from schemas.errors import ConfigError


class DirectoryLock:
    """A lock that the operating system drops when the process ends, however it ends.

    Raises
    ------
    ConfigError : another broker has the directory.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "lock"
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(self._descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._descriptor)
            raise ConfigError(
                f"{folder} is in use by another dev broker (process {owner}): stop it, or choose another directory"
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        os.close(self._descriptor)
