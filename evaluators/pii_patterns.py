"""Personal data in text: patterns with checksums where the kind has one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .patterns import compiled

MIN_CARD_DIGITS, MAX_CARD_DIGITS = 13, 19
MIN_PHONE_DIGITS, MAX_PHONE_DIGITS = 8, 15

KINDS = frozenset(
    (
        *("EMAIL", "PHONE", "CREDIT_CARD", "SSN", "IBAN", "IP_ADDRESS", "IP", "PERSON", "NAME", "ADDRESS", "PASSPORT"),
        *("DATE_OF_BIRTH", "NATIONAL_ID", "DRIVER_LICENSE", "TAX_ID", "BANK_ACCOUNT", "MAC_ADDRESS"),
    )
)


class Kind(NamedTuple):
    """A kind of personal data: its pattern, a cheap sign that it may occur at all, a check of each match."""

    name: str
    pattern: Any
    may_occur: Callable[[str], bool]
    accepts: Callable[[str], bool]


def matches(text: str) -> Iterator[tuple[str, int]]:
    """Kind and position of each occurrence. The text itself is not given out."""
    has_digit = any(char.isdigit() for char in text)
    taken: list[tuple[int, int]] = []
    for kind in _PATTERNS:
        if kind.name != "EMAIL" and not has_digit:
            continue
        if not kind.may_occur(text):
            continue
        for match in kind.pattern.finditer(text):
            start, end = match.span()
            if kind.accepts(match.group(0)) and not any(start < e and s < end for s, e in taken):
                taken.append((start, end))
                yield kind.name, start


def is_luhn(text: str) -> bool:
    """Whether the digits carry a valid Luhn checksum (ISO/IEC 7812-1) and are no single repeated digit."""
    digits = [int(char) for char in text if char.isdigit()]
    if not MIN_CARD_DIGITS <= len(digits) <= MAX_CARD_DIGITS or len(set(digits)) == 1:
        return False
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def is_iban(text: str) -> bool:
    """Whether the check digits are right (ISO 13616, mod 97)."""
    code = "".join(text.split())
    if not 15 <= len(code) <= 34:
        return False
    return int("".join(str(int(char, 36)) for char in code[4:] + code[:4])) % 97 == 1


def _is_phone(text: str) -> bool:
    return MIN_PHONE_DIGITS <= sum(char.isdigit() for char in text) <= MAX_PHONE_DIGITS


def _is_ssn(text: str) -> bool:
    area, group, serial = text.split("-")
    return area not in ("000", "666") and area[0] != "9" and group != "00" and serial != "0000"


def _always(text: str) -> bool:
    return True


_PATTERNS = (
    Kind(
        "EMAIL",
        compiled(r"\b[A-Za-z0-9._%+\-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,62})\.){1,8}[A-Za-z]{2,24}\b"),
        lambda text: "@" in text,
        _always,
    ),
    Kind("IBAN", compiled(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"), _always, is_iban),
    Kind("CREDIT_CARD", compiled(r"\b[2-6]\d{3}[ \-]?(?:\d[ \-]?){8,14}\d\b"), _always, is_luhn),
    Kind("SSN", compiled(r"\b\d{3}-\d{2}-\d{4}\b"), lambda text: "-" in text, _is_ssn),
    Kind(
        "PHONE",
        compiled(
            r"\+\d{1,3}[ .\-]?(?:\(\d{1,4}\)[ .\-]?)?\d{1,4}(?:[ .\-]?\d{2,4}){1,4}\b"
            r"|(?:\(\d{3}\) ?|\b\d{3}[.\-])\d{3}[.\-]\d{4}\b"
        ),
        _always,
        _is_phone,
    ),
)
