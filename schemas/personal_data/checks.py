"""What a pattern cannot say: checksums, lengths, and what stands around a match."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

Check = Callable[[str, int, int], bool]
"""Whether the text from one offset to another is what the pattern took it for."""

MIN_PHONE_DIGITS, MAX_PHONE_DIGITS = 7, 15  # ITU-T E.164
MIN_INTERNATIONAL_DIGITS = 8
IBAN_LENGTHS = {
    "AD": 24,
    "AE": 23,
    "AL": 28,
    "AT": 20,
    "AZ": 28,
    "BA": 20,
    "BE": 16,
    "BG": 22,
    "BH": 22,
    "BR": 29,
    "BY": 28,
    "CH": 21,
    "CR": 22,
    "CY": 28,
    "CZ": 24,
    "DE": 22,
    "DK": 18,
    "DO": 28,
    "EE": 20,
    "EG": 29,
    "ES": 24,
    "FI": 18,
    "FO": 18,
    "FR": 27,
    "GB": 22,
    "GE": 22,
    "GI": 23,
    "GL": 18,
    "GR": 27,
    "GT": 28,
    "HR": 21,
    "HU": 28,
    "IE": 22,
    "IL": 23,
    "IQ": 23,
    "IS": 26,
    "IT": 27,
    "JO": 30,
    "KW": 30,
    "KZ": 20,
    "LB": 28,
    "LC": 32,
    "LI": 21,
    "LT": 20,
    "LU": 20,
    "LV": 21,
    "LY": 25,
    "MC": 27,
    "MD": 24,
    "ME": 22,
    "MK": 19,
    "MR": 27,
    "MT": 31,
    "MU": 30,
    "NL": 18,
    "NO": 15,
    "PK": 24,
    "PL": 28,
    "PS": 29,
    "PT": 25,
    "QA": 29,
    "RO": 24,
    "RS": 22,
    "SA": 24,
    "SC": 31,
    "SE": 24,
    "SI": 19,
    "SK": 24,
    "SM": 27,
    "ST": 25,
    "SV": 28,
    "TL": 23,
    "TN": 24,
    "TR": 26,
    "UA": 29,
    "VA": 22,
    "VG": 24,
    "XK": 20,
}
CARD_LENGTHS = {"34": (15,), "37": (15,), "36": (14,), "38": (14,), "39": (14,), "30": (14,)}
NO_TOP_LEVEL = frozenset(
    ("png", "jpg", "jpeg", "gif", "svg", "webp", "ico", "css", "js", "ts", "py", "json", "html", "md")
)


def always(text: str, start: int, end: int) -> bool:
    return True


def is_email(text: str, start: int, end: int) -> bool:
    """No file name such as ``icon@2x.png``, no remote such as ``git@github.com:me/it``, no password inside a URL."""
    if text[start:end].rsplit(".", 1)[-1].lower() in NO_TOP_LEVEL:
        return False
    return not (text[start:end].startswith("git@") and text[end : end + 1] == ":")


def is_card(text: str, start: int, end: int) -> bool:
    """A length that the issuer's range has, and the Luhn checksum (ISO/IEC 7812-1)."""
    digits = _digits(text[start:end])
    if len(set(digits)) == 1 or _goes_on(text, start, end):
        return False
    return len(digits) in _card_lengths(digits) and _is_luhn(digits)


def is_iban(text: str, start: int, end: int) -> bool:
    """The length of the country, and the check digits (ISO 13616, mod 97)."""
    code = text[start:end].replace(" ", "")
    if len(code) != IBAN_LENGTHS.get(code[:2]):
        return False
    return int("".join(str(int(char, 36)) for char in code[4:] + code[:4])) % 97 == 1


def is_ssn(text: str, start: int, end: int) -> bool:
    """No number that the Social Security Administration never gives out."""
    digits = _digits(text[start:end])
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    if len(digits) != 9 or _goes_on(text, start, end):
        return False
    return area not in ("000", "666") and area[0] != "9" and group != "00" and serial != "0000"


def is_phone(text: str, start: int, end: int) -> bool:
    """As many digits as a telephone number has, no date, no part of a longer number."""
    found = text[start:end]
    digits = _digits(found)
    least = MIN_INTERNATIONAL_DIGITS if found.startswith("+") else MIN_PHONE_DIGITS
    return least <= len(digits) <= MAX_PHONE_DIGITS and not _is_date(found) and not _goes_on(text, start, end)


def is_ipv4(text: str, start: int, end: int) -> bool:
    """An address of a machine: no version number, no loopback, no mask."""
    found = text[start:end]
    before, after = text[max(0, start - 1) : start], text[end : end + 2]
    if before in ("-", ".") or (after[:1] in (".", "-") and after[1:].isdigit()):
        return False
    if "version" in text[max(0, start - 16) : start].lower():
        return False
    try:
        address = ipaddress.IPv4Address(found)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_multicast or found.startswith(("0.", "255.")))


def is_ipv6(text: str, start: int, end: int) -> bool:
    """An address, and no time of day or name in C++."""
    found = text[start:end]
    try:
        address = ipaddress.IPv6Address(found)
    except ValueError:
        return False
    groups = [group for group in found.split(":") if group]
    return not address.is_loopback and len(groups) >= 3 and any(char.isdigit() for char in found)


def has_digit(text: str, start: int, end: int) -> bool:
    """Keys have digits; words that happen to be long have none."""
    return any(char.isdigit() for char in text[start:end])


def _card_lengths(digits: str) -> tuple[int, ...]:
    if digits[:2] in CARD_LENGTHS:
        return CARD_LENGTHS[digits[:2]]
    first4 = int(digits[:4])
    if digits[0] == "4" or digits[:2] in ("62", "64", "65") or first4 == 6011 or 3528 <= first4 <= 3589:
        return (16, 19)
    return (16,) if 51 <= int(digits[:2]) <= 55 or 2221 <= first4 <= 2720 else ()


def _is_luhn(digits: str) -> bool:
    numbers = [int(char) for char in reversed(digits)]
    return (sum(numbers[0::2]) + sum(sum(divmod(2 * n, 10)) for n in numbers[1::2])) % 10 == 0


def _digits(text: str) -> str:
    return "".join(char for char in text if char.isdigit())


def _goes_on(text: str, start: int, end: int) -> bool:
    """The number is a piece of a longer one, such as an id in groups."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    return (len(before) == 2 and before[1] in "-.:" and before[0].isalnum()) or (
        len(after) == 2 and after[0] in "-.:" and after[1].isalnum()
    )


def _is_date(text: str) -> bool:
    parts = text.replace(".", "-").replace(" ", "-").split("-")
    if len(parts) < 3 or not all(part.isdigit() for part in parts[:3]):
        return False
    return [len(part) for part in parts[:3]] in ([4, 2, 2], [2, 2, 4])
