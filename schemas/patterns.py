"""Regular expressions on the linear-time engine."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2

MAX_MEMORY_BYTES = 64 * 2**20


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> Any:
    """An RE2 pattern.

    Raises
    ------
    ValueError : no valid RE2; it has no look-around and no back-references.
    """
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_MEMORY_BYTES
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        what = error.args[0] if error.args else error
        what = what.decode("utf-8", "replace") if isinstance(what, bytes) else what
        raise ValueError(f"no valid RE2 pattern ({what}): {pattern!r}") from None
