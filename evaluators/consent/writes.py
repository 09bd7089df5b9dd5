"""Which calls destroy or pay: by the verb in the tool's name, by its description and hints, by its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.patterns import compiled

from ..text import whole_text

MAX_WORDS = 12

DESTROYING = frozenset(
    (
        *(
            "delete",
            "remove",
            "cancel",
            "drop",
            "destroy",
            "purge",
            "wipe",
            "erase",
            "terminate",
            "revoke",
            "deactivate",
        ),
        *("uninstall", "truncate", "void", "overwrite", "kill", "shutdown", "discard", "unsubscribe", "ban", "suspend"),
    )
)
PAYING = frozenset(
    (
        "pay",
        "charge",
        "refund",
        "purchase",
        "buy",
        "book",
        "withdraw",
        "donate",
        "subscribe",
        "checkout",
        "redeem",
        "wire",
    )
)
# Writes where money or a payment stands beside them.
CHANGING = frozenset(
    (
        *(
            "update",
            "modify",
            "change",
            "edit",
            "add",
            "exchange",
            "return",
            "upgrade",
            "downgrade",
            "transfer",
            "send",
        ),
        *("issue", "place", "submit", "order", "close", "renew", "extend", "grant", "give", "reset", "reserve"),
    )
)
READING = frozenset(
    (
        *(
            "get",
            "list",
            "search",
            "find",
            "check",
            "calculate",
            "view",
            "show",
            "read",
            "fetch",
            "estimate",
            "preview",
        ),
        *(
            "validate",
            "lookup",
            "describe",
            "count",
            "track",
            "draft",
            "simulate",
            "think",
            "explain",
            "quote",
            "query",
        ),
        *(
            "is",
            "has",
            "can",
            "verify",
            "compute",
            "retrieve",
            "compare",
            "summarize",
            "load",
            "inspect",
            "plan",
            "dry",
        ),
    )
)
_NOT_A_DEED = frozenset(
    (
        "status",
        "details",
        "info",
        "history",
        "lookup",
        "policy",
        "policies",
        "summary",
        "search",
        "fee",
        "fees",
        "options",
    )
)

_HUMP = compiled(r"([a-z0-9])([A-Z])")
_SPLIT = compiled(r"[^A-Za-z]+")
_MONEY = compiled(
    r"(?i)(?:^|[_\W])(?:money|funds?|payments?|certificates?|vouchers?|gift_?cards?|balance|refunds?|payout|deposit|iban)(?:$|[_\W])"
)
_PAYS_BY = compiled(r"(?i)^(?:payment|pay|card|iban|billing|charge)_?(?:method|source)?s?_?(?:id|number|token)?s?$")
_FINAL = compiled(r"(?i)\b(?:irreversibl|cannot be undone|can't be undone|permanently|destructive|be careful)")


def is_write(tool: str, definition: Mapping[str, Any], arguments: Any) -> bool:
    """Whether a call destroys something or moves money.

    Hints of the Model Context Protocol (`readOnlyHint`, `destructiveHint`) in the definition decide where they stand.
    """
    hints = definition.get("annotations")
    if isinstance(hints, Mapping):
        if hints.get("readOnlyHint") is True:
            return False
        if hints.get("destructiveHint") is True:
            return True
    words = _words(tool)
    if not words or words[0] in READING or words[-1] in _NOT_A_DEED:
        return False
    if set(words) & DESTROYING or words[0] in PAYING or {"refund", "charge", "purchase", "checkout"} & set(words[1:]):
        return True
    if not CHANGING & set(words):
        return False
    description = definition.get("description")
    keys = arguments if isinstance(arguments, dict) else {}
    return (
        any(isinstance(key, str) and _PAYS_BY.search(whole_text(key)) for key in keys)
        or bool(_MONEY.search(_snake(tool)))
        or (isinstance(description, str) and bool(_FINAL.search(whole_text(description))))
    )


def verbs_of(tool: str) -> frozenset[str]:
    """The verbs in a tool's name, by which a user may ask for it; its first word where none is known."""
    words = frozenset(_words(tool))
    known = words & (DESTROYING | PAYING) or words & CHANGING
    return known or frozenset(_words(tool)[:1])


def _words(tool: str) -> list[str]:
    return [word for word in _SPLIT.split(_snake(tool)) if word][:MAX_WORDS]


def _snake(name: str) -> str:
    return _HUMP.sub(r"\1_\2", whole_text(name)).lower()
