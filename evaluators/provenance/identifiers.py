"""Which of a call's arguments are identifiers: values that name one thing and that a model can only have read somewhere.

Told by key (`user_id`, `orderNumber`) and by shape (`BD446U`, a UUID, an e-mail address). Words, amounts, dates, times,
sizes, versions, model names, addresses of pages and free text are none; neither are values that a caller makes up by
design (idempotency keys, names of new files).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from schemas.patterns import compiled

from ..depth import TooDeep
from ..text import whole_text

MAX_IDENTIFIERS = 64
MAX_DEPTH = 32
MIN_CHARS, MAX_CHARS = 4, 80
MIN_SHAPE_CHARS = 6
MIN_DIGITS = 3
MIN_INTEGER = 1000


class Identifier(NamedTuple):
    """An identifier and where it stands in the arguments, e.g. `.payment_methods[0].payment_id`."""

    path: str
    text: str


def identifiers(arguments: Any, schema: Any, tool: str) -> list[Identifier]:
    """The identifiers in a call's arguments, in order, at most `MAX_IDENTIFIERS`.

    Parameters
    ----------
    schema : the tool's parameters as JSON Schema, or anything; values that it lists (enum, const, default) are not told.
    tool : the tool's name; what a tool makes may be named by its caller (`ticket_id` of `create_ticket`).

    Raises
    ------
    TooDeep
    """
    made = _made_by(tool)
    found = []
    for path, key, value, rule in _leaves(arguments, "", "", schema, 0):
        if isinstance(value, bool) or not isinstance(value, str | int) or key in made or _listed(value, rule):
            continue
        for text in _texts(value, key):
            found.append(Identifier(path, text))
            if len(found) == MAX_IDENTIFIERS:
                return found
    return found


def _leaves(value: Any, path: str, key: str, rule: Any, depth: int) -> Iterator[tuple[str, str, Any, Any]]:
    if depth > MAX_DEPTH:
        raise TooDeep(f"nested deeper than {MAX_DEPTH} levels")
    rule = rule if isinstance(rule, Mapping) else {}
    if isinstance(value, dict):
        rules = rule.get("properties")
        for name, item in value.items():
            below = rules.get(name) if isinstance(rules, Mapping) else None
            yield from _leaves(item, f"{path}.{name}", _snake(str(name)), below, depth + 1)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]", key, rule.get("items"), depth + 1)
    else:
        yield path, key, value, rule


def _listed(value: Any, rule: Mapping[str, Any]) -> bool:
    listed = rule.get("enum")
    return (isinstance(listed, list) and value in listed) or value in (rule.get("const"), rule.get("default"))


def _texts(value: str | int, key: str) -> Iterator[str]:
    if isinstance(value, int):
        if value >= MIN_INTEGER and value < 10**18 and _ID_KEY.search(key) and not _is_date(str(value)):
            yield str(value)
        return
    text = whole_text(value.strip())
    if not MIN_CHARS <= len(text) <= MAX_CHARS or _OWN_KEY.search(key):
        return
    if _TOKEN.search(text):
        yield text
    elif _ID_KEY.search(key):
        for part in _SEPARATORS.split(text):
            if len(part) >= MIN_CHARS and not _is_something_else(part) and _names_one_thing(part):
                yield part
    elif _has_shape_of_id(text):
        yield text


def _names_one_thing(text: str) -> bool:
    """Under a key that says so: anything with enough digits, letters mixed with digits, or a code in capitals."""
    digits = sum(char.isdigit() for char in text)
    return digits >= MIN_DIGITS or (digits > 0 and _switches(text) > 1) or bool(_CAPITALS.search(text))


def _has_shape_of_id(text: str) -> bool:
    """Under any other key only what can hardly be a word: letters and digits mixed, without white space."""
    if len(text) < MIN_SHAPE_CHARS or not text.isascii() or _is_something_else(text):
        return False
    if _EMAIL.search(text) or _UUID.search(text):
        return True
    if not _PLAIN.search(text):
        return False
    digits = sum(char.isdigit() for char in text)
    letters = sum(char.isalpha() for char in text)
    return bool(letters) and (digits >= MIN_DIGITS + 1 or (digits >= MIN_DIGITS - 1 and _switches(text) > 1))


def _switches(text: str) -> int:
    """How often letters give way to digits or the reverse without a separator."""
    return sum((a.isalpha() and b.isdigit()) or (a.isdigit() and b.isalpha()) for a, b in pairwise(text))


def _is_something_else(text: str) -> bool:
    return bool(_ELSE.search(text)) or _is_date(text)


def _is_date(text: str) -> bool:
    for form in ("%Y%m%d", "%d%b%Y", "%Y-%m-%d", "%d%m%Y", "%m%d%Y"):
        if len(text) in (8, 9, 10):
            try:
                if 1900 <= datetime.strptime(text, form).year <= 2100:
                    return True
            except ValueError:
                continue
    return False


def _made_by(tool: str) -> frozenset[str]:
    """Keys that name the thing which a tool makes: `ticket_id` and `id` of `create_ticket`."""
    words = [word for word in _snake(tool).split("_") if word]
    if not words or words[0] not in _MAKERS:
        return frozenset()
    return frozenset(("id", "uuid", "key", *(f"{word}_id" for word in words[1:])))


def _snake(name: str) -> str:
    return _HUMP.sub(r"\1_\2", whole_text(name)).lower().replace("-", "_").replace(".", "_").replace(" ", "_")


_MAKERS = frozenset(("create", "generate", "make", "new", "add", "register", "init", "write", "save", "store"))
_HUMP = compiled(r"([a-z0-9])([A-Z])")
_NOUNS = (
    r"account|acct|order|card|tracking|confirmation|invoice|reference|ticket|case|booking|reservation|flight|policy|member"
    r"|membership|customer|client|serial|contract|claim|record|routing|passport|license|licence|loyalty|shipment|parcel"
    r"|train|employee|patient|item|product|part|model_serial|transaction|payment|purchase|quote|request|incident"
)
_ID_KEY = compiled(
    r"(?:^|_)(?:ids?|uuids?|guids?|skus?|iban|vin|pnr|imei|asin|record_locator|locator)$"
    rf"|(?:^|_)(?:{_NOUNS})_(?:no|num|number|numbers|nr|code|codes|ref|key)$"
    r"|^(?:promo|coupon|voucher|gift|discount)_code$|(?:^|_)(?:reference|ref)s?$"
)
# Keys whose values are chosen, computed or known to everybody.
_OWN_KEY = compiled(
    r"idempot|nonce|correlation|client_(?:token|request)|(?:^|_)(?:model|models|engine|voice|region|zone|timezone|locale|lang"
    r"|language|currency|country|format|encoding|version|color|colour|size|resolution|instance_type|mime_type|content_type"
    r"|path|paths|file|files|file_?name|file_?path|dir|directory|url|urls|uri|uris|link|href|branch|query|q|search|sql|code"
    r"|expression|regex|pattern|glob|command|cmd|script|thought|hash|checksum|sha|sha256|md5|digest|signature|cron|schedule"
    r"|password|passphrase|name|title|label|slug|tag|tags|unit|units|symbol|ticker|airport|iata|font|theme|layout|cursor|zip|zip_?code|post_?code|postal_?code)$"
    r"|(?:model|voice|region|zone|locale|language|currency|country|airport|engine|font|timezone)_(?:id|name|code)s?$"
)
_SEPARATORS = compiled(r"[,;\s]+")
_TOKEN = compiled(r"^\[[A-Z][A-Z0-9_]*:[0-9a-f]{6}\]$")
_CAPITALS = compiled(r"^#?(?:[A-Z0-9]{5,12}|[A-Z0-9]+(?:-[A-Z0-9]+){1,4})$")
_PLAIN = compiled(r"^[#@]?[A-Za-z0-9][A-Za-z0-9_\-:/.#]*$")
_EMAIL = compiled(r"^[\w.+\-%]+@[\w\-]+(?:\.[\w\-]+)+$")
_UUID = compiled(r"(?i)^\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?$")
_ELSE = compiled(
    r"(?i)^(?:"
    r"\d{4}-\d\d?-\d\d?(?:[t ].*)?|\d\d?[/.\-]\d\d?[/.\-]\d{2,4}|\d{4}/\d\d?/\d\d?|\d{4}-w?\d\d?|\d{4}-q\d|q\d[-_ ]?\d{4}"  # dates
    r"|\d\d?(?:st|nd|rd|th)|(?:\d\d?[-_ ]?)?(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:tember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)[-_ ]?\d{1,4}(?:[-_, ]+\d{4})?"
    r"|\d\d?:\d\d(?::\d\d)?(?:\.\d+)?(?:z|[ap]m|[+\-]\d\d:?\d\d)?|p(?:\d+[ymwd])*(?:t(?:\d+[hms])+)?|(?:utc|gmt)[+\-]\d+(?::\d\d)?"
    r"|[+\-]?[$€£¥]?\d[\d,]*\.\d+%?|[$€£¥]\d[\d,.]*|\d+(?:\.\d+)?%"  # numbers and amounts
    r"|[+\-]?\d{1,4}(?:\.\d+)?[-_ ]?(?:[kmgtp]i?b?|bytes?|px|pt|em|rem|dpi|fps|k?hz|mhz|ghz|[kmcµn]?m|[kmµn]?g|lbs?|oz|ft|in|mi|km/?h|mph"
    r"|[kmµn]?s|secs?|seconds?|mins?|minutes?|hrs?|hours?|h|d|days?|w|weeks?|months?|y|years?|k?wh?|v|a|mah|l|ml|c|f|usd|eur|gbp|x)"
    r"|\d+x\d+(?:x\d+)?|#[0-9a-f]{3,8}|v?\d+(?:\.\d+)+(?:[-+.\w]*)?|\d+[-–:]\d+"  # sizes, colours, versions, ranges
    r"|[a-z][a-z0-9+.\-]*://.*|(?:www\.).*|(?:\.{0,2}/|~/|[a-z]:\\).*|[\w\-./]+\.[a-z]{1,5}\d?|[\w\-]+(?:/[\w\-.]+){2,}"  # places
    r"|(?:gpt|claude|gemini|llama|mistral|mixtral|qwen|o\d|text-embedding|whisper|tts|dall-e|deepseek|command)[-\w.:/]*"
    r"|(?-i:(?:[a-z]{2,}-)+[a-z]+-?\d[a-z]?)|(?:sha|md|utf|iso|rfc|base|mp|h|int|uint|float|http|ipv|gpt|rgb|es|py|python|node)[-_]?\d{1,5}(?:[-_]\d{1,4})*"
    r"|(?-i:[A-Z]?[a-z]+(?:[-_ ][a-z]+)*[-_ ]?\d{1,2})"  # things counted: step-2, item10
    r")$"
)
