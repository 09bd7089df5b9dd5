"""A larger set, made up by rule: values of known form in the contexts in which agents meet them, and look-alikes.

`made(seed)` gives labelled texts, the same for the same seed. Nothing of it is anybody's: names and numbers are drawn, checksums are
calculated, keys have the form of their provider and open nothing. Postal addresses and names of persons are in the set although no
rule looks for them, so that the figures say what is not covered.
"""

from __future__ import annotations

import json
import random
import string
import uuid
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from typing import NamedTuple

ALNUM = string.ascii_letters + string.digits
FIRST = [
    "mia",
    "sofia",
    "yusuf",
    "chen",
    "amara",
    "liam",
    "noah",
    "ines",
    "olga",
    "raj",
    "jörg",
    "zoë",
    "łukasz",
    "anaïs",
]
LAST = ["li", "garcia", "demir", "wei", "okafor", "smith", "oconnor", "silva", "ivanova", "patel", "müller", "nguyen"]
DOMAINS = [
    "gmail.com",
    "example.co.uk",
    "mail.ru",
    "uni-köln.de",
    "corp.example",
    "outlook.com",
    "a-b.io",
    "sub.mail.example.org",
]
STREETS = ["Baker Street", "Hauptstraße", "rue de Rivoli", "Calle Mayor", "Elm Avenue", "Via Roma", "5th Avenue"]
CITIES = ["London NW1 6XE", "10115 Berlin", "75001 Paris", "28013 Madrid", "Springfield, IL 62704", "00184 Roma"]
CARDS = {"4": 16, "51": 16, "2221": 16, "34": 15, "37": 15, "6011": 16, "36": 14, "3530": 16}
IBANS = {
    "DE": (18, ""),
    "GB": (14, "WEST"),
    "FR": (23, ""),
    "ES": (20, ""),
    "NL": (10, "INGB"),
    "IT": (22, "X"),
    "PL": (24, ""),
}


class Labelled(NamedTuple):
    """A text with a value of a kind in it; without a kind it is a look-alike, in which nothing must go."""

    kind: str | None
    text: str
    value: str
    form: str


Make = Callable[[random.Random], str]


def made(seed: int = 1, each: int = 60) -> list[Labelled]:
    """`each` texts of every form."""
    rng = random.Random(seed)
    found = []
    for kind, forms in VALUES.items():
        for form, make in forms.items():
            for _ in range(each):
                value = make(rng)
                found.append(Labelled(kind, _in_context(rng, kind, value), value, f"{kind}: {form}"))
    for form, make in LOOK_ALIKES.items():
        for _ in range(each):
            value = make(rng)
            found.append(Labelled(None, _in_context(rng, None, value), value, form))
    return found


# --- contexts ------------------------------------------------------------------------------------------------------------

_PROSE = [
    "Please use {} for this.",
    "I wrote it down: {}.",
    "({})",
    "{}, thank you",
    "It is {} as far as I know",
    "→ {}",
    "* {}\n* next",
]


def _in_context(rng: random.Random, kind: str | None, value: str) -> str:
    """Prose, a tool's arguments, JSON inside JSON, a log line, a table."""
    how = rng.randrange(6)
    if how == 0:
        return json.dumps(
            {"tool": "update", "arguments": {"value": value, "id": rng.randrange(999)}}, ensure_ascii=False
        )
    if how == 1:
        inner = json.dumps({"note": f"see {value}", "ok": True}, ensure_ascii=False)
        return json.dumps({"content": inner}, ensure_ascii=False)
    if how == 2:
        return f"2026-03-0{rng.randrange(1, 9)}T10:1{rng.randrange(9)}:07Z INFO request handled user input={value} status=200"
    if how == 3:
        return f"| field | value |\n|---|---|\n| it | {value} |"
    return rng.choice(_PROSE).format(value)


# --- values --------------------------------------------------------------------------------------------------------------


def _digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choices(string.digits, k=count))


def _chars(rng: random.Random, count: int, alphabet: str = ALNUM) -> str:
    """With a digit in it, as keys have."""
    return "".join([*rng.choices(alphabet, k=count - 1), rng.choice(string.digits)])


def _email(rng: random.Random) -> str:
    local = rng.choice(["{0}.{1}", "{0}_{1}{2}", "{0}{2}", "{0}+news.{1}", "{1}-{0}"]).format(
        rng.choice(FIRST), rng.choice(LAST), rng.randrange(1, 999)
    )
    address = f"{local}@{rng.choice(DOMAINS)}"
    return address.upper() if rng.randrange(8) == 0 else address


def _international(rng: random.Random) -> str:
    d = rng.randrange(2, 10)
    return rng.choice(
        [
            f"+1 {d}{_digits(rng, 2)} {d}{_digits(rng, 2)} {_digits(rng, 4)}",
            f"+1-{d}{_digits(rng, 2)}-{d}{_digits(rng, 2)}-{_digits(rng, 4)}",
            f"+44 20 {d}{_digits(rng, 3)} {_digits(rng, 4)}",
            f"+49 (0)30 {d}{_digits(rng, 5)}",
            f"+33 {d} {_digits(rng, 2)} {_digits(rng, 2)} {_digits(rng, 2)} {_digits(rng, 2)}",
            f"+34 6{_digits(rng, 2)} {_digits(rng, 3)} {_digits(rng, 3)}",
            f"+91 {d}{_digits(rng, 4)} {_digits(rng, 5)}",
            f"+55 11 9{_digits(rng, 4)}-{_digits(rng, 4)}",
            f"+81-3-{d}{_digits(rng, 3)}-{_digits(rng, 4)}",
            f"+61 4{_digits(rng, 2)} {_digits(rng, 3)} {_digits(rng, 3)}",
            f"+86 13{_digits(rng, 1)} {_digits(rng, 4)} {_digits(rng, 4)}",
        ]
    )


def _north_american(rng: random.Random) -> str:
    area, office = f"{rng.randrange(2, 10)}{_digits(rng, 2)}", f"{rng.randrange(2, 10)}{_digits(rng, 2)}"
    return rng.choice(["({}) {}-{}", "{}-{}-{}", "{}.{}.{}"]).format(area, office, _digits(rng, 4))


def _luhn(body: str) -> str:
    total = sum(sum(divmod(2 * int(c), 10)) if i % 2 == 0 else int(c) for i, c in enumerate(reversed(body)))
    return body + str(-total % 10)


def _card(rng: random.Random) -> str:
    prefix, length = rng.choice(list(CARDS.items()))
    number = _luhn(prefix + _digits(rng, length - len(prefix) - 1))
    groups = {16: (4, 4, 4, 4), 15: (4, 6, 5), 14: (4, 6, 4)}[length]
    between = rng.choice(["", " ", "-"])
    parts, start = [], 0
    for size in groups:
        parts.append(number[start : start + size])
        start += size
    return between.join(parts)


def _chunks(text: str) -> list[str]:
    return [text[i : i + 4] for i in range(0, len(text), 4)]


def _iban(rng: random.Random) -> str:
    country, (count, bank) = rng.choice(list(IBANS.items()))
    account = bank + _digits(rng, count)
    number = int("".join(str(int(c, 36)) for c in f"{account}{country}00"))
    whole = f"{country}{98 - number % 97:02d}{account}"
    return whole if rng.randrange(2) else " ".join(_chunks(whole))


def _ssn(rng: random.Random) -> str:
    return f"{rng.choice([rng.randrange(1, 666), rng.randrange(667, 900)]):03d}-{rng.randrange(1, 100):02d}-{rng.randrange(1, 10_000):04d}"


def _ipv4(rng: random.Random) -> str:
    return f"{rng.choice([rng.randrange(1, 127), rng.randrange(128, 224)])}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"


def _ipv6(rng: random.Random) -> str:
    return f"2001:db8:{rng.randrange(16, 2**16):x}:{rng.randrange(2**16):x}::{rng.randrange(1, 2**16):x}:{rng.randrange(2**16):x}"


def _jwt(rng: random.Random) -> str:
    head = urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    body = urlsafe_b64encode(json.dumps({"sub": _digits(rng, 10), "iat": 1_700_000_000}).encode()).decode().rstrip("=")
    return f"{head}.{body}.{_chars(rng, 43, ALNUM + '_-')}"


def _pem(rng: random.Random) -> str:
    body = b64encode(rng.randbytes(96)).decode()
    return f"-----BEGIN {rng.choice(['RSA ', 'EC ', 'OPENSSH ', ''])}PRIVATE KEY-----\n{body}"


VALUES: dict[str, dict[str, Make]] = {
    "EMAIL": {
        "addresses": _email,
        "spelt out": lambda r: f"{r.choice(FIRST[:8])} (at) {r.choice(LAST[:6])} (dot) com",
    },
    "PHONE": {
        "international, of 11 countries": _international,
        "North American": _north_american,
        "national, after a word for it": lambda r: f"phone: 0{r.randrange(1, 10)}{_digits(r, 2)} {_digits(r, 7)}",
        "national, without one": lambda r: f"0{r.randrange(1, 10)}{_digits(r, 2)} {_digits(r, 7)}",
    },
    "CREDIT_CARD": {
        "of 6 issuers, with checksum": _card,
        "with dots": lambda r: ".".join(_chunks(_luhn("4" + _digits(r, 14)))),
    },
    "IBAN": {"of 7 countries, with checksum": _iban},
    "SSN": {"as written": _ssn, "nine digits": lambda r: _ssn(r).replace("-", "")},
    "IP_ADDRESS": {"version 4": _ipv4, "version 6": _ipv6},
    "API_KEY": {
        "OpenAI": lambda r: "sk-" + "proj-" + _chars(r, 48),
        "Anthropic": lambda r: "sk-" + "ant-api03-" + _chars(r, 60),
        "Google": lambda r: "AI" + "za" + _chars(r, 35),
        "Stripe": lambda r: "sk_" + "live_" + _chars(r, 24),
        "Hugging Face": lambda r: "hf" + "_" + _chars(r, 34),
        "Groq": lambda r: "gsk" + "_" + _chars(r, 52),
        "SendGrid": lambda r: "SG" + "." + _chars(r, 22) + "." + _chars(r, 43),
        "GitLab": lambda r: "glpat" + "-" + _chars(r, 20),
        "npm": lambda r: "npm" + "_" + _chars(r, 36),
    },
    "AWS_KEY": {"access key id": lambda r: "AK" + "IA" + _chars(r, 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")[:15] + "7"},
    "GITHUB_TOKEN": {"personal": lambda r: "gh" + "p_" + _chars(r, 36)},
    "SLACK_TOKEN": {"bot": lambda r: "xo" + "xb-" + _digits(r, 12) + "-" + _chars(r, 24)},
    "JWT": {"signed": _jwt},
    "PRIVATE_KEY": {"PEM": _pem},
    "SECRET": {
        "in an assignment": lambda r: f"DB_PASSWORD={_chars(r, 14)}",
        "in prose": lambda r: f"my password is {_chars(r, 14)}",
    },
    "URL_PASSWORD": {"in a database URL": lambda r: f"postgresql://app:{_chars(r, 12)}@db.internal/prod"},
    "POSTAL_ADDRESS": {"street and city": lambda r: f"{r.randrange(1, 300)} {r.choice(STREETS)}, {r.choice(CITIES)}"},
    "NAME": {"first and last": lambda r: f"{r.choice(FIRST).title()} {r.choice(LAST).title()}"},
}
NOT_COVERED = frozenset(("POSTAL_ADDRESS", "NAME"))

LOOK_ALIKES: dict[str, Make] = {
    "order numbers": lambda r: f"order {r.choice(['', 'ORD-', '#'])}{_digits(r, r.choice([6, 8, 10, 12]))}",
    "order numbers of 16 digits": lambda r: f"order {r.randrange(2, 10)}{_digits(r, 15)}",
    "invoice numbers": lambda r: f"INV-2026-{_digits(r, 6)}-{_digits(r, 2)}",
    "UUIDs": lambda r: str(uuid.UUID(int=r.getrandbits(128), version=4)),
    "trace and span ids": lambda r: f"{r.getrandbits(128):032x} {r.getrandbits(64):016x}",
    "commit hashes": lambda r: f"{r.getrandbits(160):040x}",
    "versions": lambda r: f"version {r.randrange(20)}.{r.randrange(30)}.{r.randrange(9)}",
    "versions of four parts": lambda r: (
        f"version {r.randrange(20)}.{r.randrange(30)}.{r.randrange(9)}.{r.randrange(200)}"
    ),
    "times": lambda r: (
        f"2026-0{r.randrange(1, 10)}-1{r.randrange(10)}T0{r.randrange(10)}:1{r.randrange(10)}:2{r.randrange(10)}.{_digits(r, 6)}+00:00"
    ),
    "times since 1970": lambda r: f"17{_digits(r, r.choice([8, 11]))}",
    "dates": lambda r: r.choice(["{0}.{1}.2026", "{1}-{0}-2026", "2026/{1}/{0}"]).format(
        r.randrange(10, 28), r.randrange(10, 12)
    ),
    "flights and bookings": lambda r: f"HAT{_digits(r, 3)} booked as {_chars(r, 6, string.ascii_uppercase)}",
    "parcel numbers": lambda r: f"1Z{_chars(r, 16, string.ascii_uppercase + string.digits)}",
    "ISBN": lambda r: f"978-{r.randrange(10)}-{_digits(r, 2)}-{_digits(r, 6)}-{r.randrange(10)}",
    "prices and counts": lambda r: (
        f"${r.randrange(1, 999)},{_digits(r, 3)}.{_digits(r, 2)} for {r.randrange(1, 99)} items"
    ),
    "coordinates": lambda r: f"{r.uniform(-90, 90):.6f}, {r.uniform(-180, 180):.6f}",
    "call ids": lambda r: f"call_{_chars(r, 24)}",
    "model names": lambda r: (
        f"gpt-4o-2024-0{r.randrange(1, 10)}-0{r.randrange(1, 10)} and claude-3-5-sonnet-2024{_digits(r, 4)}"
    ),
    "handles and packages": lambda r: f"@{r.choice(FIRST[:8])} uses @scope/pkg@{r.randrange(9)}.{r.randrange(9)}.0",
    "file names": lambda r: f"icon@{r.randrange(1, 4)}x.png in /var/log/app-{_digits(r, 4)}.log",
    "image data": lambda r: f"data:image/png;base64,{b64encode(r.randbytes(60)).decode()}",
    "SKUs": lambda r: f"SKU {_digits(r, 3)}-{_digits(r, 2)}-{_digits(r, 2)}",
}
