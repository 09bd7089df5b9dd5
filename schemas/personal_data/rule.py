"""A rule that finds sensitive values in text.

Patterns run on RE2. Group 1 is the value. RE2 has no look-behind: a value begins after `BEFORE`, which also takes the ``\\n`` of
JSON inside a string, so that swapping a value never leaves a broken escape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import checks
from .checks import Check

BEFORE = r"(?:^|\\[nrtbf]|\W)"
GIVEN = r"""["']?\s*(?:[:=#]|is|are|at|on)?\s*["']?"""


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern, and where a pattern says too little, a check of what it found and of what stands around. `kind` is what
    redaction's token shows: ``[EMAIL:3fa9c1]``."""

    kind: str
    pattern: Any
    accepts: Check = checks.always
