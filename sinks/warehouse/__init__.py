"""The SQL warehouse: tables, migrations, and every read and write of the product."""

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
    TraceDecisions,
    Why,
)
from .warehouse import Warehouse

__all__ = [
    "Claim",
    "ComponentState",
    "Known",
    "Notification",
    "Numbered",
    "OutboxRow",
    "Position",
    "QueryResult",
    "ScoreSummary",
    "Stored",
    "TraceDecisions",
    "Warehouse",
    "Why",
]
