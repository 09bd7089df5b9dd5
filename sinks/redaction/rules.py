"""The shipped rules: those of secrets, and with them those of personal data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from schemas import personal_data
from schemas.errors import ConfigError
from schemas.patterns import compiled
from schemas.personal_data import BEFORE, GIVEN, Rule, checks
from schemas.settings.pipeline import RedactionRule


def preset_rules(presets: Sequence[str]) -> list[Rule]:
    """The rules of the named presets; secrets come first, their patterns are the more special ones."""
    rules = list(_secrets()) if "secrets" in presets else []
    return rules + list(personal_data.RULES) if "pii" in presets else rules


def user_rule(rule: RedactionRule, path: str) -> Rule:
    """A configured rule.

    Raises
    ------
    ConfigError : the pattern is no RE2 regular expression.
    """
    try:
        return Rule(rule.name.upper(), compiled(rule.pattern))
    except ValueError as error:
        raise ConfigError(str(error), path=path) from None


GATES = {
    "pii": personal_data.GATE,
    "secrets": (
        r"sk-|[sr]k_(?:live|test)_|AIza|hf_|gsk_|xai-|SG\.|npm_|pypi-|glpat-|dapi|A(?:KIA|SIA|BIA|CCA)|gh[pousr]_|github_pat_"
        r"|xox[abeoprs]-|hooks\.slack|eyJ|-----BEGIN|://"
        r"|(?i:bearer|password|passwd|\bpwd|secret|authorization|cookie|(?:api|private)[_\- ]?key|[_\-]token|[?&](?:token|sig|signature|key)=)"
    ),
}
"""A cheap superset of each preset's rules, searched for in JSON: nothing here may hang on how JSON writes a text."""


def _secrets() -> Iterator[Rule]:
    yield Rule(
        "PRIVATE_KEY",
        compiled(r"(?s)(-----BEGIN [A-Z0-9 ]*PRIVATE KEY.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----|\z))"),
    )
    yield Rule(
        "JWT",
        compiled(BEFORE + r"(eyJ[A-Za-z0-9_\-]{8,}\.eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,})"),
    )
    yield Rule("URL_PASSWORD", compiled(r"(?i)[a-z][a-z0-9+.\-]*://[^\s:/@\"'<>]*:([^\s/@\"'<>\[\]]+)@"))
    for pattern in _KEYS:
        yield Rule("API_KEY", compiled(BEFORE + f"({pattern})"), checks.has_digit)
    yield Rule("AWS_KEY", compiled(BEFORE + r"(A(?:KIA|SIA|BIA|CCA)[A-Z2-7]{16})\b"))
    yield Rule(
        "AWS_KEY",
        compiled(r"(?i)secret[_ ]?(?:access)?[_ ]?key" + GIVEN + r"([A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+=]|$)"),
    )
    yield Rule(
        "GITHUB_TOKEN",
        compiled(BEFORE + r"(gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,})"),
    )
    yield Rule("SLACK_TOKEN", compiled(BEFORE + r"(xox[abeoprs]-[A-Za-z0-9\-]{10,})"))
    yield Rule(
        "SLACK_TOKEN",
        compiled(r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9/]{20,})"),
    )
    yield Rule("BEARER_TOKEN", compiled(r"(?i)\bbearer\s+([A-Za-z0-9._~+/\-]{16,}=*)"), checks.has_digit)
    yield Rule(
        "BEARER_TOKEN",
        compiled(r"(?i)\bauthorization[\"']?\s*[:=]\s*[\"']?(?:basic|token|apikey)\s+([A-Za-z0-9._~+/\-]{8,}=*)"),
    )
    yield Rule(
        "SECRET",
        compiled(
            r"(?i)[?&](?:access_token|api[_\-]?key|token|sig|signature|key|secret|password)=([^&\s\"'#\[\]<>]{8,})"
        ),
    )
    # In prose "password: please change it" is no secret; quoted as a JSON member or set as a variable it is.
    yield Rule(
        "SECRET", compiled(rf"(?i)[\"']{_TELLING_NAMES}\\?[\"']\s*[:=]\s*\\?[\"']([^\"'\s\[\]\\]{{4,}})\\?[\"']")
    )
    yield Rule(
        "SECRET",
        compiled(
            r"(?i)\b(?:my|our|the|your|new) (?:password|passphrase|passcode) (?:is|was|:) ?[\"'`]?([^\s\"'`\[\]<>]{6,}[^\s\"'`\[\]<>.,;:!?)])"
        ),
        checks.has_digit,
    )
    yield Rule(
        "SECRET",
        compiled(r"\b[A-Z][A-Z0-9_]*(?:PASSWORD|SECRET|API_KEY|TOKEN)\s*=\s*[\"']?([^\s\"'\[\]$<>]{6,})"),
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
