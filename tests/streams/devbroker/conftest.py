"""Fixtures for the dev broker's own tests."""

from __future__ import annotations

import resource
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from streams.devbroker import DevBroker


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[DevBroker]:
    """A dev broker in this process."""
    from streams.devbroker import DevBroker  # here, when the filters of warnings are set

    async with DevBroker(tmp_path / "data") as broker:
        yield broker


@pytest.fixture
def file_size_limit() -> Callable[[int], AbstractContextManager[None]]:
    """A real limit of the operating system on the size of files: writes beyond it come back short, then fail."""

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)

    return limited
