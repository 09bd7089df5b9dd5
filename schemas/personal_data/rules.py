"""What personal data looks like in text: the rules of redaction, and of the evaluator that counts what is left."""

from __future__ import annotations

from collections.abc import Iterator

from ..patterns import compiled
from . import checks
from .rule import BEFORE, GIVEN, Rule

GATE = (
    r"@|%40|\+\d[\d ().\-]{6}|\d{3}(?:\) ?|[.\-])\d{3}[.\-]\d{4}|\d{4}[ .\-]?\d{4,6}[ .\-]?\d{4}|\d{3}-\d{2}-\d{4}|\d\.\d{1,3}\.\d{1,3}\.\d|(?:[0-9A-Fa-f]{1,4}:){3}"
    r"|[0-9A-Fa-f]::[0-9A-Fa-f]|[A-Z]{2}\d{2} ?[A-Z0-9]{4} ?[A-Z0-9]{3}"
    r"|(?i:phone|mobile|\bfax|\btel\b|\bcell|whatsapp|(?:call|text|reach) (?:me|us|him|her)\b|\bssn|social.security|card_?number)"
)
"""A cheap superset of the rules, searched for in JSON: nothing here may hang on how JSON writes a text."""

RULES = (
    Rule(
        "EMAIL",
        compiled(BEFORE + r"([\p{L}\p{N}._%+\-]+(?:@|%40)(?:[\p{L}\p{N}][\p{L}\p{N}\-]*\.)+\p{L}{2,24})"),
        checks.is_email,
    ),
    Rule("IBAN", compiled(BEFORE + r"([A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?)\b"), checks.is_iban),
    Rule(
        "CREDIT_CARD",
        compiled(
            BEFORE
            + r"([2-6]\d{3}(?:[ .\-]?\d{4}){2}[ .\-]?\d{4}(?:[ .\-]?\d{3})?"
            + r"|3[47]\d{2}[ .\-]?\d{6}[ .\-]?\d{5}|3[0689]\d{2}[ .\-]?\d{6}[ .\-]?\d{4})\b"
        ),
        checks.is_card,
    ),
    Rule("SSN", compiled(BEFORE + r"(\d{3}-\d{2}-\d{4})\b"), checks.is_ssn),
    Rule(
        "SSN",
        compiled(r"(?i)\b(?:ssn|social security(?: number| no\.?)?)" + GIVEN + r"(\d{3}[ \-]?\d{2}[ \-]?\d{4})\b"),
        checks.is_ssn,
    ),
    Rule(
        "PHONE",
        compiled(BEFORE + r"(\+\d{1,3}[ .\-]?(?:\(\d{1,4}\)[ .\-]?)?\d{1,4}(?:[ .\-]?\d{2,4}){1,4})\b"),
        checks.is_phone,
    ),
    Rule(
        "PHONE",
        compiled(BEFORE + r"((?:1[ .\-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[.\-])\d{3}[.\-]\d{4})\b"),
        checks.is_phone,
    ),
    Rule(
        "PHONE",
        compiled(
            r"(?i)\b(?:(?:tele)?phone|fax|tel\.?|mobile|cell(?:phone)?|whatsapp|(?:call|text|reach) (?:me|us|him|her))"
            + r"(?:[ _\-]?(?:number|no\.?|num))?"
            + GIVEN
            + r"(\(?\d[\d ().\-]{5,18}\d)\b"
        ),
        checks.is_phone,
    ),
    Rule("IP_ADDRESS", compiled(BEFORE + r"((?:\d{1,3}\.){3}\d{1,3})\b"), checks.is_ipv4),
    Rule("IP_ADDRESS", compiled(BEFORE + r"([0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4}){2,7})\b"), checks.is_ipv6),
)

_GATE = compiled(GATE)


def matches(text: str) -> Iterator[tuple[str, int]]:
    """Kind and position of each occurrence. The value itself is not given out."""
    if not _GATE.search(text):
        return
    taken: list[tuple[int, int]] = []
    for rule in RULES:
        for match in rule.pattern.finditer(text):
            start, end = match.span(1)
            if rule.accepts(text, start, end) and not any(start < e and s < end for s, e in taken):
                taken.append((start, end))
                yield rule.kind, start
