"""Secrets in text: keys, tokens and passwords, told by their issuers' prefixes or by the names they stand under.

Prefixes are those that the issuers document; where a pattern alone says too little, the value must look random.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from schemas.patterns import compiled

MIN_BITS_A_CHAR = 2.8
MIN_RANDOM_BITS_A_CHAR = 3.4

KINDS = frozenset(
    (
        *("API_KEY", "AWS_KEY", "GITHUB_TOKEN", "SLACK_TOKEN", "BEARER_TOKEN", "JWT", "PRIVATE_KEY", "URL_PASSWORD"),
        *("SECRET", "PASSWORD", "TOKEN", "CREDENTIAL"),
    )
)
TOKEN = compiled(r"\[([A-Z][A-Z0-9_]*):[0-9a-f]{6}\]")
GATE = compiled(
    r"sk-|[srp]k_(?:live|test)_|whsec_|AIza|ya29\.|hf_|gsk_|xai-|SG\.|npm_|pypi-|glpat-|dapi|dop_v1_|shp(?:at|ss|ca|pa)_|A(?:KIA|SIA)|gh[pousr]_"
    r"|github_pat_|xox[abeoprs]-|xapp-|hooks\.slack|eyJ|-----BEGIN|://[^\s/@]*:|AccountKey=|sq0|key-[0-9a-f]|-us\d"
    r"|(?i:bearer |basic |password|passwd|\bpwd|passphrase|secret|(?:api|access|private|auth)[_\- ]?key|[_\-]token|[?&](?:token|sig|signature|key)=)"
)


class Kind(NamedTuple):
    """A kind of secret: the group 1 of its pattern, and a check of what was found."""

    name: str
    pattern: Any
    accepts: Callable[[str], bool]


def matches(text: str) -> Iterator[tuple[str, int]]:
    """Kind and position of each secret. The secret itself is not given out."""
    if not GATE.search(text):
        return
    taken: list[tuple[int, int]] = []
    for kind in _PATTERNS:
        for match in kind.pattern.finditer(text):
            start, end = match.span(1)
            if start < end and kind.accepts(match.group(1)) and not any(start < e and s < end for s, e in taken):
                taken.append((start, end))
                yield kind.name, start


def bits_a_char(text: str) -> float:
    """Shannon entropy of the characters."""
    counts = Counter(text)
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values()) if text else 0.0


def _is_real(text: str) -> bool:
    """No placeholder such as `sk-xxxxxxxx`, `YOUR_API_KEY` or `${TOKEN}`."""
    return bits_a_char(text) >= MIN_BITS_A_CHAR and any(c.isdigit() for c in text) and not _PLACEHOLDER.search(text)


def _is_random(text: str) -> bool:
    return _is_real(text) and bits_a_char(text) >= MIN_RANDOM_BITS_A_CHAR


def _is_password(text: str) -> bool:
    """A value under a telling name that is no word: digits and other signs among letters, or long and random."""
    if _PLACEHOLDER.search(text) or len(set(text)) < 4:
        return False
    signs = sum((any(c.isdigit() for c in text), any(c.isalpha() for c in text), any(not c.isalnum() for c in text)))
    return signs >= 2 and not _CODE.search(text)


def _given(text: str) -> bool:
    return len(set(text)) > 3 and not _PLACEHOLDER.search(text)


_PLACEHOLDER = compiled(
    r"(?i)x{4}|\*{3}|\.{3}|0{6}|1234567|abcdef|your[_\-]|[_\-]here|example|placeholder|changeme|dummy|fake|sample|redacted"
    r"|^<|^\$[({]?[a-z_]|^\{\{?|^%\w+%$|^(?:null|none|true|false|undefined)$|insert[_\-]|my[_\-](?:key|token|secret|password)|\[[A-Z_]+:[0-9a-f]{6}"
)
_CODE = compiled(r"(?i)^[a-z_.]+\(|^(?:os|process|self|this|config|settings|env|secrets?)\b[.\[]|::|->")
_BEFORE = r"(?:^|\\[nrtbf]|[^A-Za-z0-9_])"
_KEYS = (
    r"sk-(?:[a-z]{2,8}[0-9]{0,2}-)*[A-Za-z0-9_\-]{20,}",
    r"(?:[srp]k_(?:live|test)|whsec)_[0-9A-Za-z]{16,}",
    r"AIza[0-9A-Za-z_\-]{35}",
    r"ya29\.[0-9A-Za-z_\-]{30,}",
    r"hf_[A-Za-z0-9]{30,}",
    r"gsk_[A-Za-z0-9]{40,}",
    r"xai-[A-Za-z0-9]{40,}",
    r"SG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}",
    r"npm_[A-Za-z0-9]{36}",
    r"pypi-[A-Za-z0-9_\-]{32,}",
    r"glpat-[A-Za-z0-9_\-]{20,}",
    r"dapi[a-f0-9]{32}",
    r"dop_v1_[a-f0-9]{64}",
    r"shp(?:at|ss|ca|pa)_[a-fA-F0-9]{32}",
    r"sq0[a-z]{3}-[0-9A-Za-z_\-]{22,43}",
    r"key-[0-9a-f]{32}",
    r"[0-9a-f]{32}-us\d{1,2}",
)
_NAMES = (
    r"(?:[a-z0-9]+[_\-])*(?:password|passwd|pwd|passphrase|secret|client[_\-]?secret|(?:x-)?api[_\-]?key|(?:access|refresh|auth|bearer)[_\-]?token"
    r"|private[_\-]?key|secret[_\-]?(?:access[_\-]?)?key|account[_\-]?key)"
)
_PATTERNS = (
    Kind(
        "PRIVATE_KEY",
        compiled(r"(-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?:\\n|\s)*[A-Za-z0-9+/=:,\- ]{16})"),
        _given,
    ),
    Kind("JWT", compiled(_BEFORE + r"(eyJ[A-Za-z0-9_\-]{8,}\.eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,})"), _given),
    Kind(
        "URL_PASSWORD",
        compiled(r"(?i)[a-z][a-z0-9+.\-]{1,20}://[^\s:/@\"'<>]*:([^\s/@\"'<>\[\]{}$]{3,})@[\w.\-]"),
        _given,
    ),
    *(Kind("API_KEY", compiled(f"{_BEFORE}({key})"), _is_real) for key in _KEYS),
    Kind("AWS_KEY", compiled(_BEFORE + r"(A(?:KIA|SIA)[A-Z2-7]{16})\b"), _given),
    Kind(
        "AWS_KEY",
        compiled(
            r"(?i)secret[_ ]?(?:access)?[_ ]?key\\?[\"']?\s*[:=]?\s*\\?[\"']?([A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+=]|$)"
        ),
        _is_random,
    ),
    Kind("GITHUB_TOKEN", compiled(_BEFORE + r"(gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,})"), _is_real),
    Kind("SLACK_TOKEN", compiled(_BEFORE + r"(xox[abeoprs]-[A-Za-z0-9\-]{10,}|xapp-\d-[A-Za-z0-9\-]{10,})"), _is_real),
    Kind("SLACK_TOKEN", compiled(r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9/]{20,})"), _is_real),
    Kind("BEARER_TOKEN", compiled(r"(?i)\bbearer\s+([A-Za-z0-9._~+/\-]{16,}=*)"), _is_random),
    Kind(
        "BEARER_TOKEN",
        compiled(r"(?i)\bauthorization\\?[\"']?\s*[:=]\s*\\?[\"']?(?:basic|token|apikey)\s+([A-Za-z0-9._~+/\-]{8,}=*)"),
        _given,
    ),
    Kind(
        "SECRET",
        compiled(
            r"(?i)[?&](?:access_token|api[_\-]?key|token|sig|signature|key|secret|password)=([^&\s\"'#\[\]<>\\]{12,})"
        ),
        _is_random,
    ),
    Kind("SECRET", compiled(r"AccountKey=([A-Za-z0-9+/]{40,}=*)"), _is_random),
    Kind(
        "SECRET", compiled(rf"(?i)[\"']{_NAMES}\\?[\"']\s*[:=]\s*\\?[\"']([^\"'\s\[\]\\]{{6,}})\\?[\"']"), _is_password
    ),
    Kind(
        "SECRET",
        compiled(r"\b[A-Z][A-Z0-9_]*(?:PASSWORD|SECRET|API_KEY|TOKEN)\s*=\s*\\?[\"']?([^\s\"'\[\]$<>\\]{8,})"),
        _is_password,
    ),
    Kind(
        "SECRET",
        compiled(r"(?i)\b(?:password|passphrase)\s*(?::|=|is)\s*[\"'`]?([^\s\"'`,;\[\]\\]{8,})"),
        lambda t: _is_password(t.rstrip(".")) and any(c.isdigit() for c in t),
    ),
)
