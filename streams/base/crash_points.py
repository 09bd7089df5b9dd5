"""Places where a test may kill a worker: between any two of storing, publishing and acknowledging.

``EVALSTREAM_CRASH_AT=evaluate.stored:3`` sends the process a SIGKILL when it passes that point for the third time,
``EVALSTREAM_CRASH_AT=evaluate.stored@t1`` every time it passes there with the trace t1. Unset, as always outside tests, a
point costs one comparison.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable

_PLACE, _, _COUNT = os.environ.get("EVALSTREAM_CRASH_AT", "").partition(":")
_NAME, _, _WITH = _PLACE.partition("@")
_left = int(_COUNT or 1)


def passing(point: str, *, about: Iterable[str] = ()) -> None:
    """Tell that the worker passes `point` with the traces `about`."""
    global _left
    if point != _NAME or (_WITH and _WITH not in about):
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
