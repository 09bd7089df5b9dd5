"""Records that tell which traces belong to a session."""

from __future__ import annotations

from typing import Literal

from .base import Record, UtcDatetime


class SessionMember(Record):
    """A trace of a session, as it stood when it was evaluated."""

    schema_version: Literal[1] = 1
    session_id: str
    trace_id: str
    fingerprint: str
    project: str = ""
    environment: str = ""
    event_time: UtcDatetime


class SessionClosed(Record):
    """The members of a session that came since it was last at rest."""

    schema_version: Literal[1] = 1
    session_id: str
    members: tuple[SessionMember, ...]
