"""Stored state of the monitor, as it passes between the detectors and the warehouse."""

from __future__ import annotations

from typing import NamedTuple


class StateRow(NamedTuple):
    """The state of one detector (or alert rule) in one segment: `kind` and `key` identify it."""

    kind: str
    key: str
    state: bytes
