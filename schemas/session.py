"""Records that tell which traces belong to a session."""

from __future__ import annotations

from typing import Literal

from .base import Identifier, Record, UtcDatetime


class SessionMember(Record):
    """A trace of a session, as it stood when it was evaluated."""

    schema_version: Literal[1] = 1
    session_id: Identifier
    trace_id: Identifier
    fingerprint: Identifier
    project: Identifier = ""
    environment: Identifier = ""
    event_time: UtcDatetime


class SessionClosed(Record):
    """The members of a session that came since it was last at rest."""

    schema_version: Literal[1] = 1
    session_id: Identifier
    members: tuple[SessionMember, ...]
