"""Rules: a pattern on RE2, and where a pattern says too little, a check of what it found."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass

MIN_PHONE_DIGITS, MAX_PHONE_DIGITS = 8, 15


def _anything(_: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Rule:
    """Group 1 of `pattern` (or all of the match) is replaced when `holds` says so of it."""

    kind: str
    pattern: str
    holds: Callable[[str], bool] = _anything


def is_card(text: str) -> bool:
    """A number of a payment card: issuer's first digit and the Luhn check (ISO/IEC 7812-1)."""
    digits = [int(c) for c in text if c.isdigit()]
    if not 13 <= len(digits) <= 19 or digits[0] not in (2, 3, 4, 5, 6):
        return False
    doubled = (sum(divmod(2 * d, 10)) for d in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def is_iban(text: str) -> bool:
    """An account number whose check digits are right (ISO 13616, ISO 7064 MOD 97-10)."""
    plain = text.replace(" ", "")
    if not 15 <= len(plain) <= 34:
        return False
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def is_ssn(text: str) -> bool:
    """A US social security number that can have been given out."""
    area, group, serial = text.split("-")
    return area not in ("000", "666") and area[0] != "9" and group != "00" and serial != "0000"


def is_phone(text: str) -> bool:
    """As many digits as a telephone number has (ITU-T E.164: at most 15)."""
    return MIN_PHONE_DIGITS <= sum(c.isdigit() for c in text) <= MAX_PHONE_DIGITS


def is_ip(text: str) -> bool:
    """An address, and not a time or a version."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return text.count(":") >= 4 or "." in text or "::" in text


_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_BEFORE_NUMBER = r"(?:^|[\s(\[{<,;:=\"'>])"

PII = (
    Rule("EMAIL", r"\b[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b"),
    Rule("CREDIT_CARD", r"\b([2-6](?:[ -]?[0-9]){12,18})\b", is_card),
    Rule("IBAN", r"\b([A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?)\b", is_iban),
    Rule("SSN", r"\b([0-9]{3}-[0-9]{2}-[0-9]{4})\b", is_ssn),
    Rule("PHONE", _BEFORE_NUMBER + r"(\+[1-9][0-9]{0,2}(?:[ .-]?\(?[0-9]{1,4}\)?){2,6})\b", is_phone),
    Rule(
        "PHONE", _BEFORE_NUMBER + r"(\([0-9]{3}\) ?[0-9]{3}[ .-][0-9]{4}|[0-9]{3}[.-][0-9]{3}[.-][0-9]{4})\b", is_phone
    ),
    Rule("IP", rf"(?:^|[^\w.])({_OCTET}(?:\.{_OCTET}){{3}})(?:$|[^\w.]|\.(?:\s|$))", is_ip),
    Rule("IP", r"(?:^|[^\w:])((?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4})(?:$|[^\w:])", is_ip),
)

SECRETS = (
    Rule("PRIVATE_KEY", r"(?s)-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?-----END [A-Z ]{0,40}PRIVATE KEY-----"),
    Rule("API_KEY", r"\b(sk-[A-Za-z0-9_-]{20,200})"),
    Rule("API_KEY", r"\b([rs]k_(?:live|test)_[0-9A-Za-z]{16,200})\b"),
    Rule("API_KEY", r"\b(AIza[0-9A-Za-z_-]{35})"),
    Rule("AWS_KEY", r"\b((?:AKIA|ASIA)[0-9A-Z]{16})\b"),
    Rule("GITHUB_TOKEN", r"\b(gh[pousr]_[0-9A-Za-z]{36,255}|github_pat_[0-9A-Za-z_]{22,255})\b"),
    Rule("SLACK_TOKEN", r"\b(xox[abeprs]-[0-9A-Za-z-]{10,250})"),
    Rule("JWT", r"\b(eyJ[0-9A-Za-z_-]{8,}\.eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,})"),
    Rule("BEARER", r"(?i)\bbearer\s+([0-9a-z._~+/-]{16,}=*)"),
    Rule("PASSWORD", r"://[^/\s:@]{0,100}:([^/\s@]{1,200})@"),
    Rule(
        "SECRET",
        r"(?i)\b(?:api[_-]?key|secret[_-]?key|access[_-]?token|client[_-]?secret|password|passwd)\\?[\"']?\s{0,3}[:=]\s{0,3}"
        r"\\?[\"']?([^\s\"'\\,;{}\[\]]{8,200})",
    ),
)

PRESETS: Mapping[str, tuple[Rule, ...]] = {"pii": PII, "secrets": SECRETS}
