"""The shipped rules. `kind` is what the token shows: ``[EMAIL:3fa9c1]``.

Patterns run on RE2. Group 1 is the value that is swapped. RE2 has no look-behind: a value begins after `_BEFORE`, which
also takes the ``\\n`` of JSON inside a string, so that swapping a value never leaves a broken escape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import re2

from schemas.errors import ConfigError
from schemas.settings.pipeline import RedactionRule

from . import checks
from .checks import Check

_BEFORE = r"(?:^|\\[nrtbf]|\W)"
_GIVEN = r"""["']?\s*(?:[:=#]|is|are|at|on)?\s*["']?"""


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern, and where a pattern says too little, a check of what it found and of what stands around."""

    kind: str
    pattern: Any
    accepts: Check = checks.always


def preset_rules(presets: Sequence[str]) -> list[Rule]:
    """The rules of the named presets; secrets come first, their patterns are the more special ones."""
    rules = []
    for name, make in (("secrets", _secrets), ("pii", _pii)):
        if name in presets:
            rules += list(make())
    return rules


def user_rule(rule: RedactionRule, path: str) -> Rule:
    """A configured rule.

    Raises
    ------
    ConfigError : the pattern is no RE2 regular expression.
    """
    try:
        return Rule(rule.name.upper(), _compiled(rule.pattern))
    except re2.error as error:
        raise ConfigError(f"not a regular expression that RE2 reads: {_said(error)}", path=path) from None


GATES = {
    "pii": (
        r"@|%40|\+\d[\d ().\-]{6}|\d{3}(?:\) ?|[.\-])\d{3}[.\-]\d{4}|\d{4}[ .\-]?\d{4,6}[ .\-]?\d{4}|\d{3}-\d{2}-\d{4}|\d\.\d{1,3}\.\d{1,3}\.\d|(?:[0-9A-Fa-f]{1,4}:){3}"
        r"|[0-9A-Fa-f]::[0-9A-Fa-f]|[A-Z]{2}\d{2} ?[A-Z0-9]{4} ?[A-Z0-9]{3}"
        r"|(?i:phone|mobile|\bfax|\btel\b|\bcell|whatsapp|(?:call|text|reach) (?:me|us|him|her)\b|\bssn|social.security|card_?number)"
    ),
    "secrets": (
        r"sk-|[sr]k_(?:live|test)_|AIza|hf_|gsk_|xai-|SG\.|npm_|pypi-|glpat-|dapi|A(?:KIA|SIA|BIA|CCA)|gh[pousr]_|github_pat_"
        r"|xox[abeoprs]-|hooks\.slack|eyJ|-----BEGIN|://"
        r"|(?i:bearer|password|passwd|\bpwd|secret|authorization|cookie|(?:api|private)[_\- ]?key|[_\-]token|[?&](?:token|sig|signature|key)=)"
    ),
}
"""A cheap superset of each preset's rules, searched for in JSON: nothing here may hang on how JSON writes a text."""


def _pii() -> Iterator[Rule]:
    yield Rule(
        "EMAIL",
        _compiled(_BEFORE + r"([\p{L}\p{N}._%+\-]+(?:@|%40)(?:[\p{L}\p{N}][\p{L}\p{N}\-]*\.)+\p{L}{2,24})"),
        checks.is_email,
    )
    yield Rule(
        "IBAN", _compiled(_BEFORE + r"([A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?)\b"), checks.is_iban
    )
    yield Rule(
        "CREDIT_CARD",
        _compiled(
            _BEFORE
            + r"([2-6]\d{3}(?:[ .\-]?\d{4}){2}[ .\-]?\d{4}(?:[ .\-]?\d{3})?"
            + r"|3[47]\d{2}[ .\-]?\d{6}[ .\-]?\d{5}|3[0689]\d{2}[ .\-]?\d{6}[ .\-]?\d{4})\b"
        ),
        checks.is_card,
    )
    yield Rule("SSN", _compiled(_BEFORE + r"(\d{3}-\d{2}-\d{4})\b"), checks.is_ssn)
    yield Rule(
        "SSN",
        _compiled(r"(?i)\b(?:ssn|social security(?: number| no\.?)?)" + _GIVEN + r"(\d{3}[ \-]?\d{2}[ \-]?\d{4})\b"),
        checks.is_ssn,
    )
    yield Rule(
        "PHONE",
        _compiled(_BEFORE + r"(\+\d{1,3}[ .\-]?(?:\(\d{1,4}\)[ .\-]?)?\d{1,4}(?:[ .\-]?\d{2,4}){1,4})\b"),
        checks.is_phone,
    )
    yield Rule(
        "PHONE",
        _compiled(_BEFORE + r"((?:1[ .\-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[.\-])\d{3}[.\-]\d{4})\b"),
        checks.is_phone,
    )
    yield Rule(
        "PHONE",
        _compiled(
            r"(?i)\b(?:(?:tele)?phone|fax|tel\.?|mobile|cell(?:phone)?|whatsapp|(?:call|text|reach) (?:me|us|him|her))"
            + r"(?:[ _\-]?(?:number|no\.?|num))?"
            + _GIVEN
            + r"(\(?\d[\d ().\-]{5,18}\d)\b"
        ),
        checks.is_phone,
    )
    yield Rule("IP_ADDRESS", _compiled(_BEFORE + r"((?:\d{1,3}\.){3}\d{1,3})\b"), checks.is_ipv4)
    yield Rule("IP_ADDRESS", _compiled(_BEFORE + r"([0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{0,4}){2,7})\b"), checks.is_ipv6)


def _secrets() -> Iterator[Rule]:
    yield Rule(
        "PRIVATE_KEY",
        _compiled(r"(?s)(-----BEGIN [A-Z0-9 ]*PRIVATE KEY.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----|\z))"),
    )
    yield Rule(
        "JWT",
        _compiled(_BEFORE + r"(eyJ[A-Za-z0-9_\-]{8,}\.eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,})"),
    )
    yield Rule("URL_PASSWORD", _compiled(r"(?i)[a-z][a-z0-9+.\-]*://[^\s:/@\"'<>]*:([^\s/@\"'<>\[\]]+)@"))
    for pattern in _KEYS:
        yield Rule("API_KEY", _compiled(_BEFORE + f"({pattern})"), checks.has_digit)
    yield Rule("AWS_KEY", _compiled(_BEFORE + r"(A(?:KIA|SIA|BIA|CCA)[A-Z2-7]{16})\b"))
    yield Rule(
        "AWS_KEY",
        _compiled(r"(?i)secret[_ ]?(?:access)?[_ ]?key" + _GIVEN + r"([A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+=]|$)"),
    )
    yield Rule(
        "GITHUB_TOKEN",
        _compiled(_BEFORE + r"(gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,})"),
    )
    yield Rule("SLACK_TOKEN", _compiled(_BEFORE + r"(xox[abeoprs]-[A-Za-z0-9\-]{10,})"))
    yield Rule(
        "SLACK_TOKEN",
        _compiled(r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9/]{20,})"),
    )
    yield Rule("BEARER_TOKEN", _compiled(r"(?i)\bbearer\s+([A-Za-z0-9._~+/\-]{16,}=*)"), checks.has_digit)
    yield Rule(
        "BEARER_TOKEN",
        _compiled(r"(?i)\bauthorization[\"']?\s*[:=]\s*[\"']?(?:basic|token|apikey)\s+([A-Za-z0-9._~+/\-]{8,}=*)"),
    )
    yield Rule(
        "SECRET",
        _compiled(
            r"(?i)[?&](?:access_token|api[_\-]?key|token|sig|signature|key|secret|password)=([^&\s\"'#\[\]<>]{8,})"
        ),
    )
    # In prose "password: please change it" is no secret; quoted as a JSON member or set as a variable it is.
    yield Rule(
        "SECRET", _compiled(rf"(?i)[\"']{_TELLING_NAMES}\\?[\"']\s*[:=]\s*\\?[\"']([^\"'\s\[\]\\]{{4,}})\\?[\"']")
    )
    yield Rule(
        "SECRET",
        _compiled(
            r"(?i)\b(?:my|our|the|your|new) (?:password|passphrase|passcode) (?:is|was|:) ?[\"'`]?([^\s\"'`\[\]<>]{6,}[^\s\"'`\[\]<>.,;:!?)])"
        ),
        checks.has_digit,
    )
    yield Rule(
        "SECRET",
        _compiled(r"\b[A-Z][A-Z0-9_]*(?:PASSWORD|SECRET|API_KEY|TOKEN)\s*=\s*[\"']?([^\s\"'\[\]$<>]{6,})"),
    )


_TELLING_NAMES = (
    r"(?:password|passwd|pwd|secret|client[_\-]?secret|(?:x-)?api[_\-]?key|(?:access|refresh|auth|id|session)[_\-]?token"
    r"|private[_\-]?key|secret[_\-]?(?:access[_\-]?)?key)"
)
_KEYS = (
    r"sk-(?:[a-z]{2,8}[0-9]{0,2}-)*[A-Za-z0-9_\-]{20,}",
    r"[sr]k_(?:live|test)_[0-9A-Za-z]{16,}",
    r"AIza[0-9A-Za-z_\-]{35}",
    r"hf_[A-Za-z0-9]{30,}",
    r"gsk_[A-Za-z0-9]{40,}",
    r"xai-[A-Za-z0-9]{40,}",
    r"SG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{16,}",
    r"npm_[A-Za-z0-9]{36}",
    r"pypi-[A-Za-z0-9_\-]{32,}",
    r"glpat-[A-Za-z0-9_\-]{20,}",
    r"dapi[a-f0-9]{32}",
)


def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


def _said(error: Exception) -> str:
    said = error.args[0] if error.args else error
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
