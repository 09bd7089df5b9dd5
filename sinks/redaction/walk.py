"""Texts inside JSON values, swapped where something was found in them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from schemas.personal_data.checks import MAX_PHONE_DIGITS, MIN_PHONE_DIGITS

from .scan import Scanner

MAX_DEPTH = 100
"""What lies deeper is looked at as JSON text, and becomes that text where something is found."""

Path = tuple[Any, ...] | None
"""(path of the parent, key or index): written out only where something is found."""

PERSONAL_KEYS: Mapping[str, str] = {
    **dict.fromkeys(("phone", "phone_number", "phonenumber", "mobile", "mobile_number", "telephone", "fax"), "PHONE"),
    **dict.fromkeys(("ssn", "social_security_number"), "SSN"),
    **dict.fromkeys(("card_number", "credit_card_number", "cardnumber"), "CREDIT_CARD"),
}
SECRET_KEYS: Mapping[str, str] = dict.fromkeys(
    (
        *("password", "passwd", "pwd", "secret", "client_secret", "api_key", "apikey", "api-key", "x-api-key"),
        *("access_token", "refresh_token", "auth_token", "private_key", "secret_key", "secret_access_key"),
        *("authorization", "proxy-authorization", "cookie", "set-cookie"),
    ),
    "SECRET",
)
_DIGITS = {"PHONE": (MIN_PHONE_DIGITS, MAX_PHONE_DIGITS), "SSN": (9, 9), "CREDIT_CARD": (12, 19)}
_MIN_SECRET_CHARS = 4


class Found:
    """Findings of one owner: (kind, path) → how many."""

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()

    def add(self, kind: str, path: Path, count: int) -> None:
        self.counts[kind, written(path)] += count


class Swaps:
    """What becomes of each text, and of values under telling keys; equal texts are looked at once."""

    def __init__(self, scanner: Scanner, keys: Mapping[str, str]) -> None:
        self._scanner, self._keys = scanner, keys
        self._known: dict[str, tuple[str, Counter[str]]] = {}

    def value(self, value: Any, path: Path, found: Found, depth: int = 0) -> Any:
        """The value with its texts swapped; the same object when nothing was found in it."""
        if isinstance(value, str):
            return self._text(value, path, found)
        if not isinstance(value, dict | list | tuple) or not value:
            return value
        if depth >= MAX_DEPTH:
            return self._deep(value, path, found)
        if isinstance(value, dict):
            return self._object(value, path, found, depth)
        items = [self.value(item, (path, index), found, depth + 1) for index, item in enumerate(value)]
        same = all(new is old for new, old in zip(items, value, strict=True))
        return value if same else type(value)(items)

    def _text(self, text: str, path: Path, found: Found) -> str:
        hit = self._known.get(text)
        if hit is None:
            hit = self._known[text] = self._scanner.swap(text)
        for kind, count in hit[1].items():
            found.add(kind, path, count)
        return hit[0] if hit[1] else text

    def _object(self, value: dict[str, Any], path: Path, found: Found, depth: int) -> dict[str, Any]:
        changed, result = False, {}
        for key, item in value.items():
            name = self._text(key, path, found) if isinstance(key, str) else key
            place = (path, name)
            kind = self._keys.get(key.lower()) if self._keys and isinstance(key, str) else None
            swapped = self._keyed(kind, item, place, found) if kind else None
            new = self.value(item, place, found, depth + 1) if swapped is None else swapped
            changed = changed or new is not item or name is not key
            result[name] = new
        return result if changed else value

    def _keyed(self, kind: str, item: Any, path: Path, found: Found) -> str | None:
        """The token for a value whose key says what it is."""
        if not isinstance(item, str | int) or isinstance(item, bool) or not looks_like(kind, str(item)):
            return None
        found.add(kind, path, 1)
        return self._scanner.token(kind, str(item))

    def _deep(self, value: Any, path: Path, found: Found) -> Any:
        text = json.dumps(value, ensure_ascii=False, default=str)
        swapped, counts = self._scanner.swap(text)
        for kind, count in counts.items():
            found.add(kind, path, count)
        return swapped if counts else value


def looks_like(kind: str, text: str) -> bool:
    """Whether a value under a key of this kind is one: no placeholder, no token that stands there already."""
    if text.startswith("["):
        return False
    if kind not in _DIGITS:
        return len(text) >= _MIN_SECRET_CHARS
    least, most = _DIGITS[kind]
    return least <= sum(char.isdigit() for char in text) <= most and not any(char.isalpha() for char in text)


def written(path: Path) -> str:
    """E.g. ``result.user.emails[0]``."""
    parts = []
    while path is not None:
        path, part = path
        parts.append(f"[{part}]" if isinstance(part, int) else f".{part}")
    return "".join(reversed(parts)).removeprefix(".")
