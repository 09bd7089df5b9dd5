"""The SQL warehouse: tables, migrations, and every read and write of the product."""

from .records import (
    Claim,
    ComponentState,
    Known,
    Notification,
    OutboxRow,
    Position,
    Stored,
    TraceDecisions,
)
from .warehouse import Warehouse

__all__ = [
    "Claim",
    "ComponentState",
    "Known",
    "Notification",
    "OutboxRow",
    "Position",
    "Stored",
    "TraceDecisions",
    "Warehouse",
]
