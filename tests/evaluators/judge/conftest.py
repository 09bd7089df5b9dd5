"""A scripted server to judge with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2  # noqa: F401
import openai  # noqa: F401  imported when first used, which would count in the tests that measure time
import pytest

from streams.scripted_judge import Faults, ScriptedJudge


@pytest.fixture
def server() -> Callable[..., ScriptedJudge]:
    """Makes a server; to be entered."""

    def make(**options: Any) -> ScriptedJudge:
        faults = Faults(**{name: options.pop(name) for name in list(options) if name in Faults.__dataclass_fields__})
        return ScriptedJudge(faults=faults, **options)

    return make
