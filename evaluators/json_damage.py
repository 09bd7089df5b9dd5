"""Whether a text was meant to be JSON and is damaged: cut off, out of balance, or broken in the middle.

What only looks like JSON at its first character is no JSON: log lines in brackets, Markdown links, templates, programs.
Texts that other writers of JSON produce (NaN, raw line breaks in strings, comments, several documents, Python's own
notation) are readable and count as whole.
"""

from __future__ import annotations

import ast
import json
from typing import NamedTuple

import orjson

from schemas.patterns import compiled

CONTEXT_CHARS = 60
MAX_LITERAL_CHARS = 20_000
MAX_LITERAL_BRACKETS = 2_000
MIN_KEYS = 2
MAX_BROKEN_CHARS = 200_000

_STRING = r'"(?:[^"\\]|\\.)*'
_MEANT = compiled(
    rf'(?s)\A(?:\{{\s*(?:\z|\}}|{_STRING}(?:\\?\z|"\s*(?:\z|:)))'
    rf"|\[\s*(?:\z|\{{\s*(?:\z|\}}|{_STRING}(?:\\?\z|\"\s*(?:\z|:)))|\[\s*(?:\z|[\[{{\"\d-])"
    rf'|{_STRING}(?:\\?\z|"\s*(?:\z|[,\]]))|(?:-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)\s*(?:,\s*[\[{{"\d.tfn-]|,\s*\z)))'
)
_PREFACE = compiled(r'(?s)\A[^\n{}\[\]"]{1,80}[:\n]\s*([\[{]\s*(?:\{\s*)?"[^"\\]{0,80}".*)\z')
_FENCE = compiled(r"(?s)\A```(?:json|JSON)?[ \t]*\r?\n(.*?)(?:\r?\n```\s*)?\z")
_TOKEN = compiled(r'(?s)"(?:[^"\\]|\\.)*"|["{}\[\]]')
_WHOLE_STRING = compiled(r'(?s)"(?:[^"\\]|\\.)*"')
_SYNTAX = compiled(r"\A[a-z]{0,4}(?:[\s\d,:{}\[\].eE+-]|true|false|null)*\z")
_KEY = compiled(r'"[^"\\\n]{1,80}"\s*:')
_COMMENT = compiled(r"(?m)^\s*(?://|/\*|#)|[,{\[]\s*//")
_NUMBERS_BEGIN = compiled(r"\A\[\s*-?\d")
_NUMBERS = compiled(r'\A(?:[\[\]\s\d,.eE+-]|true|false|null|"[^"]*")*(?:t|tr|tru|f|fa|fal|fals|n|nu|nul|"[^"]*)?\z')
_OPENS = {"}": "{", "]": "["}


class Damage(NamedTuple):
    """What is wrong: `truncated`, `unbalanced` or `broken`, a sentence about it and the fragment that shows it."""

    label: str
    explanation: str
    quote: str


class _Scan(NamedTuple):
    """Brackets that are open at the end, whether one closed that was not open, and where the first value ends."""

    open: list[str]
    mismatch: int | None
    in_string: bool
    first_end: int | None


def json_damage(text: str) -> Damage | None:
    """The damage of a text that was meant to be JSON; None for what is whole, or was never meant to be JSON."""
    stripped = text.strip()
    if stripped.startswith("```"):
        stripped = _FENCE.sub(r"\1", stripped).strip()
    if not stripped:
        return None
    if stripped[0] in "{[":
        return _of_json(stripped) if not _parses(stripped) and _is_meant(stripped) else None
    if stripped[-1] in "}]" and stripped[0] not in "<(" and len(_KEY.findall(stripped[:4_000])) >= MIN_KEYS:
        return _headless(stripped)
    preface = _PREFACE.search(stripped) if '"' in stripped[:200] else None
    if preface is not None and len(_KEY.findall(preface.group(1)[:4_000])) >= MIN_KEYS:
        damage = _of_json(preface.group(1)) if not _parses(preface.group(1)) else None
        return damage if damage is not None and damage.label == "truncated" else None
    return None


def _is_meant(text: str) -> bool:
    """Whether it begins as JSON does; of brackets with numbers, all must be numbers: "[0, 1) is half open"."""
    if _MEANT.search(text) is None:
        return False
    return _NUMBERS_BEGIN.search(text) is None or _NUMBERS.search(text) is not None


def _of_json(text: str) -> Damage | None:
    scan = _scan(text)
    if scan.mismatch is not None:
        if _reads_otherwise(text):
            return None
        quote = text[max(0, scan.mismatch - CONTEXT_CHARS) : scan.mismatch + 1]
        return Damage("unbalanced", f"a bracket closes at character {scan.mismatch} that was never opened", quote)
    if scan.open or scan.in_string:
        where = "inside a string" if scan.in_string else f"with {len(scan.open)} bracket(s) open"
        if _reads_otherwise(text):
            return None
        return Damage("truncated", f"the JSON ends {where} after {len(text)} characters", text[-CONTEXT_CHARS:])
    if scan.first_end is not None and scan.first_end < len(text):
        return None  # a value and something after it: several documents, or a note
    if _reads_otherwise(text):
        return None
    return _broken(text)


def _broken(text: str) -> Damage | None:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        quote = text[max(0, error.pos - CONTEXT_CHARS) : error.pos + CONTEXT_CHARS]
        return Damage("broken", f"the JSON breaks at line {error.lineno} column {error.colno}: {error.msg}", quote)
    return None


def _headless(text: str) -> Damage | None:
    """JSON whose beginning is missing: it closes brackets that it never opened."""
    for whole in (text, '"' + text):  # it may begin inside a string
        if _SYNTAX.search(_WHOLE_STRING.sub("", whole)) is not None and _scan(whole).mismatch is not None:
            quote = text[:CONTEXT_CHARS]
            return Damage("unbalanced", "it closes brackets that it never opened: its beginning is missing", quote)
    return None


def _scan(text: str) -> _Scan:
    stack: list[str] = []
    first_end: int | None = None
    for match in _TOKEN.finditer(text):
        mark = match.group(0)
        if mark == '"':
            return _Scan(stack, None, True, first_end)
        if mark in "{[":
            stack.append(mark)
        elif mark in "}]":
            if not stack or stack.pop() != _OPENS[mark]:
                return _Scan(stack, match.start(), False, first_end)
            if not stack and first_end is None:
                first_end = match.end()
    return _Scan(stack, None, False, first_end)


def _parses(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _reads_otherwise(text: str) -> bool:
    """Whether a laxer reader takes it: NaN, raw line breaks, surrogates, deep nesting, comments, Python literals."""
    if len(text) > MAX_BROKEN_CHARS or _COMMENT.search(text):
        return True
    try:
        json.loads(text, strict=False)
        return True
    except RecursionError:
        return True
    except ValueError:
        pass
    if len(text) <= MAX_LITERAL_CHARS and text.count("[") + text.count("{") <= MAX_LITERAL_BRACKETS and "'" in text:
        try:
            ast.literal_eval(text)
            return True
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            return False
    return False
