"""The SQL warehouse: tables, migrations, and every read and write of the product."""

from .accounts import Gap, MeasuredRow, MonitorAccount, WaitingRequest
from .attempts import Attempts
from .letters import LetterFilter, StoredLetter
from .records import (
    Claim,
    ComponentState,
    Known,
    Notification,
    Numbered,
    OutboxRow,
    Position,
    QueryResult,
    ScoreSummary,
    Stored,
    Subject,
    TraceDecisions,
    Why,
)
from .tombstones import subjects_of
from .warehouse import Warehouse

__all__ = [
    "Attempts",
    "Claim",
    "ComponentState",
    "Gap",
    "Known",
    "LetterFilter",
    "MeasuredRow",
    "MonitorAccount",
    "Notification",
    "Numbered",
    "OutboxRow",
    "Position",
    "QueryResult",
    "ScoreSummary",
    "Stored",
    "StoredLetter",
    "Subject",
    "TraceDecisions",
    "WaitingRequest",
    "Warehouse",
    "Why",
    "subjects_of",
]
